"""Reading one sparse extent file: monolithicSparse, twoGbMaxExtentSparse and streamOptimized."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator

from imageport.disk.base import MIB, SECTOR, ExtentKind
from imageport.disk.cache import LruCache
from imageport.disk.deflate import inflate
from imageport.disk.errors import CorruptError, UnsupportedError
from imageport.disk.file import READ_AHEAD, ImageFile, ReadAhead
from imageport.disk.mapped import Absent, Packed, Plain, Run, Stored, corrupt
from imageport.disk.overlap import Taken
from imageport.disk.vmdk.layout import (
    DEFLATE,
    FOOTER_DISTANCE,
    GD_AT_END,
    GRAIN_MARKER,
    HEADER_SIZE,
    ZEROED_GRAIN,
    Flag,
    SparseHeader,
)

MAX_GRAIN = 2 * MIB
MAX_DIRECTORY = 4 * MIB
"""Entries of a grain directory that is read (16 MiB of memory; 128 TiB of 64 KiB grains)."""
MAX_TABLE = 64 * 1024
"""Entries of a grain table; VMware always has 512."""
CACHED_TABLES = 256
CACHED_GRAINS = 8


def read_header(file: ImageFile) -> SparseHeader:
    """The header that counts: the footer's where the file was written as a stream."""
    header = _header(file, 0)
    if header.directory == GD_AT_END:
        file.require(0, HEADER_SIZE + FOOTER_DISTANCE, "sparse extent footer")
        header = _header(file, file.size - FOOTER_DISTANCE)
    if header.version not in (1, 2, 3):
        feature = f"sparse extent version {header.version}"
        raise UnsupportedError(file=file.name, feature=feature)
    return header


def _header(file: ImageFile, offset: int) -> SparseHeader:
    try:
        return SparseHeader.unpack(file.read(offset, HEADER_SIZE, "sparse extent header"))
    except ValueError as error:
        raise corrupt(file, "sparse extent header", offset, str(error)) from error


class SparseExtent:
    """Grains behind a directory of grain tables. Offsets count from the extent's start."""

    def __init__(self, file: ImageFile, header: SparseHeader) -> None:
        self.file = file
        self.size = header.capacity * SECTOR
        self._header = header
        self._grain = header.grain * SECTOR
        self._check_header()
        self._covered = header.table_entries * self._grain
        """Bytes of the disk that one grain table is about."""
        self._tables: LruCache[int, array[int]] = LruCache(CACHED_TABLES)
        self._grains: LruCache[int, Plain] = LruCache(CACHED_GRAINS)
        self._packed = ReadAhead(file, READ_AHEAD)
        self._directory = self._table(
            header.directory, -(-self.size // self._covered), "grain directory"
        )
        self._check_tables()

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """The runs that cover [start, end) of the extent."""
        covered = self._covered
        while start < end:
            index = start // covered
            stop = min((index + 1) * covered, end)
            if self._directory[index]:
                yield from self._table_runs(index, start, stop)
            else:
                yield Absent(start, stop - start, ExtentKind.UNALLOCATED)
            start = stop

    def unpack(self, key: int) -> Plain:
        """See `Unpacker.unpack`; `key` is a grain's number in the extent."""
        return self._grains.get(key, self._inflate)

    def _table_runs(self, index: int, start: int, end: int) -> Iterator[Run]:
        table = self._grain_table(index)
        base, grain = index * self._covered, self._grain
        compressed = self._header.has(Flag.COMPRESSED)
        zeroed = self._header.has(Flag.ZEROED_GRAINS)
        while start < end:
            number = (start - base) // grain
            stop = min(base + (number + 1) * grain, end)
            sector, skip = table[number], start % grain
            if not sector:
                yield Absent(start, stop - start, ExtentKind.UNALLOCATED)
            elif sector == ZEROED_GRAIN and zeroed:
                yield Absent(start, stop - start, ExtentKind.ZERO)
            elif compressed:
                yield Packed(start, stop - start, self, start // grain, skip)
            else:
                yield Stored(start, stop - start, self.file, sector * SECTOR + skip)
            start = stop

    def _inflate(self, number: int) -> Plain:
        table = self._grain_table(number * self._grain // self._covered)
        offset = table[number % self._header.table_entries] * SECTOR
        length = self._packed_length(offset, number)
        data = self._packed.view(offset + GRAIN_MARKER.size, length, f"grain {number}")
        try:
            plain = inflate(data, self._grain, zlib_header=True)
        except ValueError as error:
            raise corrupt(self.file, f"grain {number}", offset, str(error)) from error
        wanted = min(self._grain, self.size - number * self._grain)
        if len(plain) < wanted:
            detail = f"{len(plain)} bytes where {wanted} belong"
            raise corrupt(self.file, f"grain {number}", offset, detail)
        return plain

    def _packed_length(self, offset: int, number: int) -> int:
        marker = self._packed.view(offset, GRAIN_MARKER.size, f"marker of grain {number}")
        sector, length = GRAIN_MARKER.unpack(marker)
        if sector != number * self._header.grain or not 0 < length <= 2 * self._grain:
            detail = f"it is about sector {sector} and {length} bytes"
            raise corrupt(self.file, f"marker of grain {number}", offset, detail)
        return int(length)

    def _grain_table(self, index: int) -> array[int]:
        return self._tables.get(index, self._read_grain_table)

    def _read_grain_table(self, index: int) -> array[int]:
        """Its entries about the disk: in the last table, those past the end are about nothing."""
        entries = self._header.table_entries
        table = self._table(self._directory[index], entries, f"grain table {index}")
        return table[: -(-(self.size - index * self._covered) // self._grain)]

    def _table(self, sector: int, entries: int, structure: str) -> array[int]:
        table = self.file.read_table(sector * SECTOR, entries, "I", structure)
        if sys.byteorder == "big":
            table.byteswap()
        return table

    def _check_header(self) -> None:
        header = self._header
        if header.has(Flag.COMPRESSED) and header.compression != DEFLATE:
            self._unsupported(f"compression algorithm {header.compression}")
        if header.has(Flag.COMPRESSED) and not header.has(Flag.MARKERS):
            self._unsupported("compressed grains without markers")
        if not 1 <= header.grain <= MAX_GRAIN // SECTOR or header.grain & (header.grain - 1):
            raise self._bad_header(f"a grain of {header.grain} sectors")
        if not 1 <= header.table_entries <= MAX_TABLE:
            raise self._bad_header(f"grain tables of {header.table_entries} entries")
        if not 0 < self.size <= MAX_DIRECTORY * header.table_entries * self._grain:
            raise self._bad_header(f"a capacity of {header.capacity} sectors")

    def _check_tables(self) -> None:
        """Every table and every grain must lie within the file."""
        first = ZEROED_GRAIN if self._header.has(Flag.ZEROED_GRAINS) else 0
        seen: set[int] = set()
        taken = None if self._header.has(Flag.COMPRESSED) else Taken(self.file, self._grain)
        for index, sector in enumerate(self._directory):
            if not sector:
                continue
            if sector in seen:
                # Shared tables would make a small file describe more than can be looked at.
                offset, detail = self._header.directory * SECTOR, f"entry {index} is used twice"
                raise corrupt(self.file, "grain directory", offset, detail)
            seen.add(sector)
            table = self._read_grain_table(index)
            last = max(table)
            if last <= first:
                continue
            number = index * self._header.table_entries + table.index(last)
            if self._header.has(Flag.COMPRESSED):
                offset = last * SECTOR
                length = GRAIN_MARKER.size + self._packed_length(offset, number)
            else:
                length = min(self._grain, self.size - number * self._grain)
            self.file.require(last * SECTOR, length, f"grain {number}")
            if taken is not None:
                self._check_overlap(index, table, taken)

    def _check_overlap(self, index: int, table: array[int], taken: Taken) -> None:
        """No two grains begin within the space of one; compressed ones say where they belong."""
        first = ZEROED_GRAIN if self._header.has(Flag.ZEROED_GRAINS) else 0
        twice = taken.twice(sector * SECTOR for sector in table if sector > first)
        if twice is not None:
            structure = f"grain of table {index}"
            raise corrupt(self.file, structure, twice, "it overlaps another")

    def _bad_header(self, detail: str) -> CorruptError:
        return corrupt(self.file, "sparse extent header", 0, detail)

    def _unsupported(self, feature: str) -> None:
        raise UnsupportedError(file=self.file.name, feature=feature)
