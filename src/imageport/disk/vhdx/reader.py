"""Reading fixed, dynamic and differencing VHDX files."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import ClassVar
from uuid import UUID

from imageport.disk.backing import Chain, verified
from imageport.disk.base import MIB, ExtentKind
from imageport.disk.cache import LruCache
from imageport.disk.errors import UnsupportedError
from imageport.disk.file import ImageFile
from imageport.disk.mapped import Absent, MappedReader, Run, Stored
from imageport.disk.overlap import Pieces, require_countable
from imageport.disk.sectors import bit_runs
from imageport.disk.vhdx.layout import (
    BITMAP_BLOCK,
    SECTORS_PER_BITMAP_BLOCK,
    BlockState,
    entry_offset,
    entry_state,
)
from imageport.disk.vhdx.metadata import Parameters, read_parameters
from imageport.disk.windows_paths import candidates
from imageport.model.target import DiskFormat

MAX_TABLE_ENTRIES = 16 * MIB
"""Entries of a block allocation table that is read (128 MiB of memory)."""
CACHED_BITMAPS = 16

_ABSENT = {
    BlockState.NOT_PRESENT: ExtentKind.UNALLOCATED,
    BlockState.UNDEFINED: ExtentKind.ZERO,
    BlockState.ZERO: ExtentKind.ZERO,
    BlockState.UNMAPPED: ExtentKind.ZERO,
}


class VhdxReader(MappedReader):
    """Payload blocks behind a block allocation table ([MS-VHDX] 2.5)."""

    format: ClassVar[DiskFormat] = DiskFormat.VHDX

    def __init__(self, file: ImageFile, chain: Chain) -> None:
        parameters = read_parameters(file)
        super().__init__(file, parameters.size)
        self.identity = parameters.data_write_id
        self._block = parameters.block_size
        self.sector_size = parameters.sector_size
        self._chunk_ratio = SECTORS_PER_BITMAP_BLOCK * self.sector_size // self._block
        self._differencing = parameters.parent is not None
        self._table = self._read_table(parameters)
        self._check_table()
        self._check_overlap(parameters.reserved)
        self._bitmaps: LruCache[int, bytes] = LruCache(CACHED_BITMAPS)
        if parameters.parent is not None:
            self.parent = self._open_parent(parameters.parent, chain)

    def own_runs(self, start: int, end: int) -> Iterator[Run]:
        """See `MappedReader.own_runs`."""
        table, block, ratio = self._table, self._block, self._chunk_ratio
        while start < end:
            number = start // block
            entry = table[number + number // ratio]
            number += 1
            kind = _ABSENT.get(BlockState(entry)) if entry < 4 else None
            if kind is not None:
                last = -(-end // block)
                while number < last and table[number + number // ratio] == entry:
                    number += 1
                stop = min(number * block, end)
                yield Absent(start, stop - start, kind)
            else:
                stop = min(number * block, end)
                yield from self._block_runs(number - 1, entry, start, stop)
            start = stop

    def _block_runs(self, number: int, entry: int, start: int, stop: int) -> Iterator[Run]:
        state, position = entry_state(entry), entry_offset(entry)
        kind = _ABSENT.get(BlockState(state)) if state < 4 else None
        skip = start % self._block
        if kind is not None:
            yield Absent(start, stop - start, kind)
        elif state == BlockState.FULLY_PRESENT and position:
            yield Stored(start, stop - start, self.file, position + skip)
        elif state == BlockState.PARTIALLY_PRESENT and position and self._differencing:
            bitmap = self._bitmaps.get(number, self._read_bitmap)
            runs = bit_runs(
                bitmap, skip, skip + stop - start, msb_first=False, sector=self.sector_size
            )
            for at, length, present in runs:
                offset = start - skip + at
                if present:
                    yield Stored(offset, length, self.file, position + at)
                else:
                    yield Absent(offset, length, ExtentKind.UNALLOCATED)
        else:
            raise self._bad_entry(f"block {number} has the entry {entry:#x}")

    def _read_bitmap(self, number: int) -> bytes:
        """The part of the chunk's sector bitmap that is about payload block `number`."""
        chunk, within = divmod(number, self._chunk_ratio)
        entry = self._table[(chunk + 1) * self._chunk_ratio + chunk]
        if entry_state(entry) != BlockState.FULLY_PRESENT:
            raise self._bad_entry(f"block {number} needs a sector bitmap that is not present")
        length = self._block // self.sector_size // 8
        return self.file.read(entry_offset(entry) + within * length, length, "sector bitmap")

    def _read_table(self, parameters: Parameters) -> array[int]:
        blocks = -(-self.size // self._block)
        if self._differencing:
            chunks = -(-blocks // self._chunk_ratio)
            entries = chunks * (self._chunk_ratio + 1)
        else:
            entries = blocks + (blocks - 1) // self._chunk_ratio
        region = parameters.table
        self._table_offset = region.offset
        if entries * 8 > region.length:
            raise self._bad_entry(f"it has {region.length} bytes for {entries} entries")
        if entries > MAX_TABLE_ENTRIES:
            feature = f"a block allocation table of {entries} entries"
            raise UnsupportedError(file=self.file.name, feature=feature)
        table = self.file.read_table(region.offset, entries, "Q", "block allocation table")
        if sys.byteorder == "big":
            table.byteswap()
        return table

    def _check_table(self) -> None:
        """Every present block must lie within the file, the last one as far as it is needed."""
        longest = max(self._block, BITMAP_BLOCK)
        if entry_offset(max(self._table)) + longest <= self.file.size:
            return
        for index, entry in enumerate(self._table):
            if entry_state(entry) < BlockState.FULLY_PRESENT:
                continue
            number = index - index // (self._chunk_ratio + 1)
            if index % (self._chunk_ratio + 1) == self._chunk_ratio:
                # QEMU before 8.0 leaves garbage in the bitmap entries that only children use.
                length = BITMAP_BLOCK if self._differencing else 0
                structure = f"sector bitmap {index}"
            else:
                length = min(self._block, self.size - number * self._block)
                structure = f"block {number}"
            if length > 0:
                self.file.require(entry_offset(entry), length, structure)

    def _check_overlap(self, reserved: tuple[tuple[int, int], ...]) -> None:
        """No two blocks share a byte with each other or with the tables."""
        require_countable(self.file, MIB)
        # A log that is not in use is not looked at, and may be said to lie anywhere.
        inside = ((offset, length) for offset, length in reserved if offset < self.file.size)
        others = {offset // MIB: -(-length // MIB) for offset, length in inside if length}
        period, blocks = self._chunk_ratio + 1, array("I")
        for index, entry in enumerate(self._table):
            if entry_state(entry) < BlockState.FULLY_PRESENT:
                continue
            start, number = entry_offset(entry) // MIB, index - index // period
            needed = min(self._block, self.size - number * self._block)
            if index % period == self._chunk_ratio:
                needed = BITMAP_BLOCK if self._differencing else 0
            if needed == self._block or start in others:
                blocks.append(start)
            elif needed > 0:
                others[start] = -(-needed // MIB)
        pieces = Pieces(MIB, blocks, self._block // MIB, others)
        pieces.require_apart(self.file, self._table_offset)

    def _open_parent(self, locator: dict[str, str], chain: Chain) -> MappedReader:
        keys = ("relative_path", "absolute_win32_path", "volume_path")
        names = candidates([locator[key] for key in keys if locator.get(key)])
        parent = chain.open_parent(self.file, names)
        linkages = (locator.get(key, "") for key in ("parent_linkage", "parent_linkage2"))
        return verified(self.file, parent, [guid for guid in map(_guid, linkages) if guid])

    def _bad_entry(self, detail: str) -> Exception:
        return self.corrupt("block allocation table", self._table_offset, detail)


def _guid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
