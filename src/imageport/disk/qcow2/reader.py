"""Reading qcow2 files of version 2 and 3. Internal snapshots are ignored."""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from typing import ClassVar

from imageport.disk.backing import Chain
from imageport.disk.base import MIB, SECTOR, ExtentKind
from imageport.disk.cache import LruCache
from imageport.disk.deflate import inflate
from imageport.disk.errors import BackingRefusedError, UnsupportedError
from imageport.disk.file import READ_AHEAD, ImageFile, ReadAhead
from imageport.disk.mapped import Absent, MappedReader, Packed, Plain, Run, Stored
from imageport.disk.overlap import Taken
from imageport.disk.qcow2 import layout
from imageport.disk.qcow2.header import read_header
from imageport.disk.qcow2.layout import Compression, Header, Incompatible
from imageport.disk.zstd import unzstd
from imageport.model.target import DiskFormat

MAX_L1_ENTRIES = 4 * MIB
"""32 MiB of memory, QEMU's own limit."""
MAX_REFCOUNT_TABLE = 8 * MIB
"""Bytes of the refcount table, QEMU's own limit."""
CACHED_TABLE_BYTES = 16 * MIB
CACHED_UNIT_BYTES = 4 * MIB
_BACKING_FORMATS = {
    "raw": DiskFormat.RAW,
    "qcow2": DiskFormat.QCOW2,
    "vmdk": DiskFormat.VMDK,
    "vpc": DiskFormat.VHD,
    "vhdx": DiskFormat.VHDX,
}


class Qcow2Reader(MappedReader):
    """Clusters behind two levels of tables."""

    format: ClassVar[DiskFormat] = DiskFormat.QCOW2

    def __init__(self, file: ImageFile, chain: Chain) -> None:
        header = read_header(file)
        super().__init__(file, header.size)
        self._header = header
        self._cluster = 1 << header.cluster_bits
        self._extended = bool(header.incompatible & Incompatible.EXTENDED_L2)
        self._entry_size = 16 if self._extended else 8
        self._covered = self._cluster // self._entry_size * self._cluster
        """Bytes of the disk that one L2 table is about."""
        self._unpack = _unpacker(header)
        self._tables: LruCache[int, array[int]] = LruCache(
            max(4, CACHED_TABLE_BYTES // self._cluster)
        )
        self._units: LruCache[int, Plain] = LruCache(max(2, CACHED_UNIT_BYTES // self._cluster))
        self._packed = ReadAhead(file, max(READ_AHEAD, 2 * self._cluster))
        self._l1 = self._read_l1()
        self._check_tables()
        if header.backing_offset:
            self.parent = self._open_parent(chain)

    def own_runs(self, start: int, end: int) -> Iterator[Run]:
        """See `MappedReader.own_runs`."""
        while start < end:
            index = start // self._covered
            stop = min((index + 1) * self._covered, end)
            offset = self._l1[index] & layout.OFFSET_MASK
            if not offset:
                yield Absent(start, stop - start, ExtentKind.UNALLOCATED)
            elif self._extended:
                yield from self._subcluster_runs(self._l2(offset), start, stop)
            else:
                yield from self._cluster_runs(self._l2(offset), start, stop)
            start = stop

    def unpack(self, key: int) -> Plain:
        """See `Unpacker.unpack`; `key` is the cluster's L2 entry."""
        return self._units.get(key, self._read_compressed)

    def _cluster_runs(self, table: array[int], start: int, end: int) -> Iterator[Run]:
        cluster, bits = self._cluster, self._header.cluster_bits
        first = start // self._covered * self._covered
        last = -(-(end - first) // cluster)
        while start < end:
            number, skip = (start - first) >> bits, start & (cluster - 1)
            entry = table[number]
            number += 1
            if entry & layout.COMPRESSED:
                stop = min(first + (number << bits), end)
                yield Packed(start, stop - start, self, entry, skip)
                start = stop
                continue
            # Most clusters go on where the one before ends: a loop of its own is ten times faster.
            # Zeros repeat their entry; what is stored has the next offset and the same flags.
            plain = entry & layout.OFFSET_MASK and not entry & layout.READS_AS_ZEROS
            step = cluster if plain else 0
            wanted = entry + step
            while number < last and table[number] == wanted:
                wanted += step
                number += 1
            stop = min(first + (number << bits), end)
            if plain:
                yield self._stored(start, stop, entry)
            elif entry & layout.READS_AS_ZEROS:
                yield Absent(start, stop - start, ExtentKind.ZERO)
            else:
                yield Absent(start, stop - start, ExtentKind.UNALLOCATED)
            start = stop

    def _subcluster_runs(self, table: array[int], start: int, end: int) -> Iterator[Run]:
        """As `_cluster_runs`, for extended L2 entries: an entry and two bitmaps of 32 bits."""
        cluster, part = self._cluster, self._cluster // layout.SUBCLUSTERS
        while start < end:
            number = start % self._covered // cluster
            entry, bitmaps = table[2 * number], table[2 * number + 1]
            skip = start % cluster
            compressed = entry & layout.COMPRESSED
            unit = cluster if compressed or bitmaps in layout.UNIFORM_BITMAPS else part
            stop = min(start - skip % unit + unit, end)
            bit = skip // part
            if compressed:
                yield Packed(start, stop - start, self, entry, skip)
            elif bitmaps >> (layout.SUBCLUSTERS + bit) & 1:
                yield Absent(start, stop - start, ExtentKind.ZERO)
            elif bitmaps >> bit & 1:
                yield self._stored(start, stop, entry)
            else:
                yield Absent(start, stop - start, ExtentKind.UNALLOCATED)
            start = stop

    def _stored(self, start: int, stop: int, entry: int) -> Stored:
        position = entry & layout.OFFSET_MASK
        within = self._cluster - 1
        if not position or position & within:
            raise self.corrupt("L2 entry", position, f"{entry:#x} does not point to a cluster")
        return Stored(start, stop - start, self.file, position + (start & within))

    def _l2(self, offset: int) -> array[int]:
        return self._tables.get(offset, self._read_l2)

    def _read_l2(self, offset: int) -> array[int]:
        return _table(self.file, offset, self._cluster // 8, "L2 table")

    def _read_l1(self) -> array[int]:
        header = self._header
        needed = -(-self.size // self._covered)
        if header.l1_entries < needed:
            detail = f"{header.l1_entries} L1 entries where the size needs {needed}"
            raise self.corrupt("qcow2 header", 36, detail)
        if needed > MAX_L1_ENTRIES:
            feature = f"an L1 table of {needed} entries"
            raise UnsupportedError(file=self.file.name, feature=feature)
        return _table(self.file, header.l1_offset, needed, "L1 table")

    def _check_tables(self) -> None:
        """Every table and cluster must lie within the file, as far as it is needed."""
        header = self._header
        refcounts = header.refcount_clusters << header.cluster_bits
        if refcounts > MAX_REFCOUNT_TABLE:
            raise self.corrupt("qcow2 header", 56, f"a refcount table of {refcounts} bytes")
        table = _table(self.file, header.refcount_offset, refcounts // 8, "refcount table")
        for offset in filter(None, table):
            self.file.require(offset & ~0x1FF, self._cluster, "refcount block")
        taken = Taken(self.file, self._cluster)
        taken.twice([0])
        for index, entry in enumerate(self._l1):
            offset = entry & layout.OFFSET_MASK
            if offset & (self._cluster - 1):
                raise self.corrupt("L1 table", header.l1_offset, f"entry {index} is {entry:#x}")
            if offset:
                table = self._read_l2(offset)
                self._take([offset], taken, "L2 table")
                self._check_l2(index, table)
                self._check_overlap(table, taken)

    def _take(self, offsets: list[int], taken: Taken, structure: str) -> None:
        # Shared tables would make a small file describe more than can be looked at.
        twice = taken.twice(offsets)
        if twice is not None:
            raise self.corrupt(structure, twice, "its cluster is used twice")

    def _check_overlap(self, table: array[int], taken: Taken) -> None:
        """No two entries have one cluster; compressed ones may share its bytes."""
        entries = filter(None, islice(table, 0, None, self._entry_size // 8))
        mask, compressed = layout.OFFSET_MASK, layout.COMPRESSED
        offsets = [entry & mask for entry in entries if not entry & compressed and entry & mask]
        if offsets and max(offsets) >= self.file.size:
            # Clusters that are zeros, or not looked at, may be said to lie anywhere.
            offsets = [offset for offset in offsets if offset < self.file.size]
        self._take(offsets, taken, "cluster")

    def _check_l2(self, index: int, table: array[int]) -> None:
        if self._quickly_sound(table):
            return
        step = self._entry_size // 8
        start = index * self._covered
        clusters = -(-min(self._covered, self.size - start) // self._cluster)
        for number in range(clusters):
            if entry := table[number * step]:
                stored = self._cluster
                if self._extended:
                    bitmap = table[number * step + 1] & 0xFFFFFFFF
                    stored = self._cluster // layout.SUBCLUSTERS * bitmap.bit_length()
                remaining = self.size - start - number * self._cluster
                self._check_entry(entry, min(stored, remaining))

    def _quickly_sound(self, table: array[int]) -> bool:
        """True when no entry is compressed and the greatest offset lies within the file.

        The bits above the offset are cut off for the whole table at once.
        """
        if self._extended:
            return False
        plain = bytearray(table.tobytes())
        top = slice(7 if sys.byteorder == "little" else 0, None, 8)
        if any(value & 0x40 for value in set(plain[top])):
            return False
        plain[top] = bytes(len(table))
        greatest = max(memoryview(plain).cast("Q")) & layout.OFFSET_MASK
        return greatest + self._cluster <= self.file.size

    def _check_entry(self, entry: int, needed: int) -> None:
        """`needed` bytes of the entry's cluster are looked at when it is not compressed."""
        if entry & layout.COMPRESSED:
            offset, length = self._compressed_range(entry)
            # The last sector may be incomplete: QEMU pads the data, not the file.
            self.file.require(offset, max(1, length - SECTOR + 1), "compressed cluster")
            return
        offset = entry & layout.OFFSET_MASK
        if not offset or (entry & layout.READS_AS_ZEROS and not self._extended):
            return
        self.file.require(offset, needed, "cluster")

    def _compressed_range(self, entry: int) -> tuple[int, int]:
        """Offset and greatest length of a compressed cluster ("Compressed Clusters Descriptor")."""
        bits = 62 - (self._header.cluster_bits - 8)
        offset = entry & ((1 << bits) - 1)
        sectors = (entry & (layout.COMPRESSED - 1)) >> bits
        return offset, (sectors + 1) * SECTOR - offset % SECTOR

    def _read_compressed(self, entry: int) -> Plain:
        offset, length = self._compressed_range(entry)
        length = min(length, self.file.size - offset)
        data = self._packed.view(offset, length, "compressed cluster")
        try:
            plain = self._unpack(data)
        except ValueError as error:
            raise self.corrupt("compressed cluster", offset, str(error)) from error
        if len(plain) != self._cluster:
            detail = f"{len(plain)} bytes where {self._cluster} belong"
            raise self.corrupt("compressed cluster", offset, detail)
        return plain

    def _open_parent(self, chain: Chain) -> MappedReader:
        header = self._header
        if not 0 < header.backing_size <= layout.MAX_BACKING_NAME:
            detail = f"a backing file name of {header.backing_size} bytes"
            raise self.corrupt("qcow2 header", 16, detail)
        data = self.file.read(header.backing_offset, header.backing_size, "backing file name")
        name = os.fsdecode(data)
        said = header.extensions.get(layout.BACKING_FORMAT)
        if said is None:
            return chain.open_parent(self.file, [name])
        form = _BACKING_FORMATS.get(said.decode("ascii", "replace"))
        if form is None:
            detail = f"its format {said!r} is not read"
            raise BackingRefusedError(file=self.file.name, backing=name, detail=detail)
        return chain.open_parent(self.file, [name], form)


def _unpacker(header: Header) -> Callable[[memoryview], Plain]:
    limit = 1 << header.cluster_bits
    if header.compression == Compression.ZSTD:
        return lambda data: unzstd(data, limit)
    return lambda data: inflate(data, limit, zlib_header=False)


def _table(file: ImageFile, offset: int, entries: int, structure: str) -> array[int]:
    table = file.read_table(offset, entries, "Q", structure)
    if sys.byteorder == "little":
        table.byteswap()
    return table
