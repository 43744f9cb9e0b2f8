"""Reading fixed, dynamic and differencing VHD files."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from imageport.disk.backing import Chain, verified
from imageport.disk.base import MIB, SECTOR, ExtentKind
from imageport.disk.cache import LruCache
from imageport.disk.errors import (
    TruncatedError,
    UnsupportedError,
)
from imageport.disk.file import ImageFile
from imageport.disk.mapped import Absent, MappedReader, Run, Stored, corrupt
from imageport.disk.overlap import Pieces, require_countable
from imageport.disk.sectors import bit_runs
from imageport.disk.vhd.layout import (
    COOKIE,
    FOOTER_SIZE,
    HEADER_SIZE,
    SHORT_FOOTER_SIZE,
    UNUSED_BLOCK,
    DiskType,
    DynamicHeader,
    Footer,
)
from imageport.disk.windows_paths import candidates
from imageport.model.target import DiskFormat

MAX_TABLE_ENTRIES = 16 * MIB
"""Entries of a block table that is read (64 MiB of memory); 2 TiB of 2 MiB blocks need 1 Mi."""
MAX_BLOCK = 256 * MIB
MAX_LOCATOR = 4096
"""Bytes of a parent locator's path; Windows allows 32 Ki characters, nobody writes them here."""
CACHED_BITMAPS = 64


def footer_offset(file: ImageFile) -> int | None:
    """Where the footer at the end of the file begins, or None when there is none."""
    for size in (FOOTER_SIZE, SHORT_FOOTER_SIZE):
        offset = file.size - size
        if offset >= 0 and file.read(offset, len(COOKIE), "VHD footer") == COOKIE:
            return offset
    return None


def open_vhd(file: ImageFile, chain: Chain) -> MappedReader:
    """A reader for a VHD of any type. Raises `DiskError`."""
    offset = footer_offset(file)
    if offset is None:
        # The copy at the start alone means that the end of the file is gone.
        raise TruncatedError(
            file=file.name,
            structure="VHD footer",
            offset=file.size,
            needed=FOOTER_SIZE,
            size=file.size,
        )
    data = file.read(offset, file.size - offset, "VHD footer")
    try:
        footer = Footer.unpack(data)
    except ValueError as error:
        raise corrupt(file, "VHD footer", offset, str(error)) from error
    match footer.disk_type:
        case DiskType.FIXED:
            return FixedVhdReader(file, footer, offset)
        case DiskType.DYNAMIC | DiskType.DIFFERENCING:
            return DynamicVhdReader(file, footer, offset, chain)
    feature = f"VHD disk type {footer.disk_type}"
    raise UnsupportedError(file=file.name, feature=feature)


class FixedVhdReader(MappedReader):
    """The disk's bytes followed by a footer."""

    format: ClassVar[DiskFormat] = DiskFormat.VHD_FIXED

    def __init__(self, file: ImageFile, footer: Footer, end: int) -> None:
        super().__init__(file, footer.current_size)
        if end < self.size:
            raise TruncatedError(
                file=file.name, structure="data", offset=0, needed=self.size, size=end
            )
        self.identity = footer.unique_id

    def own_runs(self, start: int, end: int) -> Iterator[Run]:
        """See `MappedReader.own_runs`."""
        yield Stored(start, end - start, self.file, start)


class DynamicVhdReader(MappedReader):
    """Blocks behind a block allocation table; each block begins with a bitmap of its sectors.

    The bitmap is heeded in differencing disks alone. In a dynamic disk a sector without its bit
    was never written and is zeros in the file as well.
    """

    format: ClassVar[DiskFormat] = DiskFormat.VHD

    def __init__(self, file: ImageFile, footer: Footer, end: int, chain: Chain) -> None:
        header = _read_header(file, footer.data_offset)
        super().__init__(file, footer.current_size)
        self.identity = footer.unique_id
        self._block = _checked_block_size(file, footer, header)
        bitmap = self._block // SECTOR // 8
        self._bitmap_size = -(-bitmap // SECTOR) * SECTOR
        self._table = self._read_table(header, footer.data_offset)
        self._check_table(end)
        self._check_overlap(header, footer.data_offset)
        self._bitmaps: LruCache[int, bytes] = LruCache(CACHED_BITMAPS)
        if footer.disk_type == DiskType.DIFFERENCING:
            self.parent = _open_parent(file, header, chain)

    def own_runs(self, start: int, end: int) -> Iterator[Run]:
        """See `MappedReader.own_runs`."""
        table, block = self._table, self._block
        while start < end:
            index = start // block
            entry = table[index]
            index += 1
            if entry == UNUSED_BLOCK:
                last = -(-end // block)
                while index < last and table[index] == UNUSED_BLOCK:
                    index += 1
                stop = min(index * block, end)
                yield Absent(start, stop - start, ExtentKind.UNALLOCATED)
            else:
                stop = min(index * block, end)
                yield from self._block_runs(entry, start, stop)
            start = stop

    def _block_runs(self, entry: int, start: int, stop: int) -> Iterator[Run]:
        skip = start % self._block
        data = entry * SECTOR + self._bitmap_size
        if self.parent is None:
            yield Stored(start, stop - start, self.file, data + skip)
            return
        bitmap = self._bitmaps.get(entry, self._read_bitmap)
        for at, length, present in bit_runs(bitmap, skip, skip + stop - start, msb_first=True):
            offset = start - skip + at
            if present:
                yield Stored(offset, length, self.file, data + at)
            else:
                yield Absent(offset, length, ExtentKind.UNALLOCATED)

    def _read_bitmap(self, entry: int) -> bytes:
        return self.file.read(entry * SECTOR, self._bitmap_size, "sector bitmap")

    def _read_table(self, header: DynamicHeader, header_offset: int) -> array[int]:
        needed = -(-self.size // self._block)
        if header.entries < needed:
            detail = f"{header.entries} table entries where the size needs {needed}"
            raise self.corrupt("dynamic disk header", header_offset, detail)
        if needed > MAX_TABLE_ENTRIES:
            feature = f"a block allocation table of {needed} entries"
            raise UnsupportedError(file=self.file.name, feature=feature)
        table = self.file.read_table(header.table_offset, needed, "I", "block allocation table")
        if sys.byteorder == "little":
            table.byteswap()
        return table

    def _check_table(self, end: int) -> None:
        """Every block must end before the footer; the last one as far as the disk needs it."""
        for index, entry in enumerate(self._table):
            if entry == UNUSED_BLOCK:
                continue
            needed = min(self._block, self.size - index * self._block) + self._bitmap_size
            if entry * SECTOR + needed > end:
                raise TruncatedError(
                    file=self.file.name,
                    structure=f"block {index}",
                    offset=entry * SECTOR,
                    needed=needed,
                    size=end,
                )

    def _check_overlap(self, header: DynamicHeader, header_offset: int) -> None:
        """No two blocks share a sector with each other or with the tables."""
        require_countable(self.file, SECTOR)
        table = self._table
        sectors = (self._bitmap_size + self._block) // SECTOR
        others = {
            0: 1,
            header_offset // SECTOR: HEADER_SIZE // SECTOR,
            header.table_offset // SECTOR: -(-len(table) * table.itemsize // SECTOR),
        }
        used = array("I", (entry for entry in table if entry != UNUSED_BLOCK))
        if table[-1] != UNUSED_BLOCK and table[-1] not in others:
            # The last block is stored as far as the disk needs it.
            rest = self.size - (len(table) - 1) * self._block
            others[used.pop()] = -(-(self._bitmap_size + rest) // SECTOR)
        pieces = Pieces(SECTOR, used, sectors, others)
        pieces.require_apart(self.file, header.table_offset)


def _read_header(file: ImageFile, offset: int) -> DynamicHeader:
    data = file.read(offset, HEADER_SIZE, "dynamic disk header")
    try:
        return DynamicHeader.unpack(data)
    except ValueError as error:
        raise corrupt(file, "dynamic disk header", offset, str(error)) from error


def _checked_block_size(file: ImageFile, footer: Footer, header: DynamicHeader) -> int:
    block = header.block_size
    if block < SECTOR * 8 or block & (block - 1) or block > MAX_BLOCK:
        detail = f"a block size of {block} bytes"
        raise corrupt(file, "dynamic disk header", footer.data_offset, detail)
    return block


def _open_parent(file: ImageFile, header: DynamicHeader, chain: Chain) -> MappedReader:
    parent = chain.open_parent(file, candidates(_parent_names(file, header)))
    return verified(file, parent, [header.parent_id])


def _parent_names(file: ImageFile, header: DynamicHeader) -> list[str]:
    """The parent's names, relative ones first ("Parent Locator Entry", platform codes)."""
    names: dict[bytes, str] = {}
    for code, length, offset in header.locators:
        if length > MAX_LOCATOR:
            raise corrupt(file, "parent locator", offset, f"a path of {length} bytes")
        try:
            names[code] = _locator_path(code, file.read(offset, length, "parent locator"))
        except ValueError as error:
            raise corrupt(file, "parent locator", offset, "an undecodable path") from error
    order = (b"W2ru", b"Wi2r", b"MacX", b"W2ku", b"Wi2k")
    return [names[code] for code in order if names.get(code)] + [header.parent_name]


def _locator_path(code: bytes, data: bytes) -> str:
    match code:
        case b"W2ru" | b"W2ku":
            return data.decode("utf-16-le").rstrip("\0")
        case b"MacX":
            return unquote(urlsplit(data.decode("utf-8").rstrip("\0")).path)
        case b"Wi2r" | b"Wi2k":
            return data.decode("latin-1").rstrip("\0")
    return ""
