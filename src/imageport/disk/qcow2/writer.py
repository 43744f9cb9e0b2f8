"""Writing qcow2 version 3: clusters of 64 KiB, no compression, no backing file."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import ClassVar

from imageport.disk.allocating import AllocatingWriter
from imageport.disk.base import KIB
from imageport.disk.qcow2 import layout
from imageport.disk.target import TargetFile
from imageport.model.target import DiskFormat

CLUSTER_BITS = 16
CLUSTER = 64 * KIB
_L2_ENTRIES = CLUSTER // 8
_REFCOUNT_ORDER = 4
_REFCOUNTS_PER_BLOCK = CLUSTER // 2


class Qcow2Writer(AllocatingWriter):
    """A qcow2 file: header, L1 table, data, and at the end L2 tables and refcounts.

    Every cluster of the file is used exactly once, so that each refcount is 1.
    """

    format: ClassVar[DiskFormat] = DiskFormat.QCOW2

    def __init__(self, target: TargetFile, size: int) -> None:
        """Create the file for a disk of `size` bytes, whole sectors."""
        super().__init__(target, size, block=CLUSTER, page=_L2_ENTRIES)
        self._l1_entries = -(-size // (CLUSTER * _L2_ENTRIES))
        l1_clusters = -(-self._l1_entries * 8 // CLUSTER)
        self.place_blocks(CLUSTER * (1 + l1_clusters), CLUSTER)

    def write_tables(self) -> None:
        """See `AllocatingWriter.write_tables`."""
        l1 = [0] * self._l1_entries
        for number, page in self.positions.pages():
            l1[number] = self.next | layout.COPIED
            self.file.write(self.next, _big_endian("Q", map(self.entry, page)))
            self.next += CLUSTER
        table_offset, table_clusters = self._write_refcounts()
        self.file.truncate(self.next)
        self.file.write(CLUSTER, _big_endian("Q", l1))
        self.file.write(0, self._header(table_offset, table_clusters))

    def entry(self, position: int) -> int:
        """The L2 entry of a cluster at `position`; 0 is one that has no place."""
        return position and position | layout.COPIED

    def backing(self) -> tuple[bytes, bytes]:
        """The backing file's name and what QEMU calls its format; empty when there is none."""
        return b"", b""

    def _write_refcounts(self) -> tuple[int, int]:
        """Write refcount blocks and their table; the table's offset and number of clusters."""
        used = self.next // CLUSTER
        blocks = tables = 0
        while (total := used + blocks + tables) > blocks * _REFCOUNTS_PER_BLOCK:
            blocks = -(-total // _REFCOUNTS_PER_BLOCK)
            tables = -(-blocks * 8 // CLUSTER)
        offsets = range(self.next, self.next + blocks * CLUSTER, CLUSTER)
        for index, offset in enumerate(offsets):
            count = max(0, min(_REFCOUNTS_PER_BLOCK, total - index * _REFCOUNTS_PER_BLOCK))
            self.file.write(offset, _big_endian("H", [1] * count))
        table_offset = self.next + blocks * CLUSTER
        self.file.write(table_offset, _big_endian("Q", offsets))
        self.next = table_offset + tables * CLUSTER
        return table_offset, tables

    def _header(self, table_offset: int, table_clusters: int) -> bytes:
        name, form = self.backing()
        extensions = b""
        if name:
            extensions = layout.EXTENSION.pack(layout.BACKING_FORMAT, len(form))
            extensions += form.ljust(-(-len(form) // 8) * 8, b"\0") + layout.EXTENSION.pack(0, 0)
        name_at = layout.V3_HEADER_SIZE + len(extensions) if name else 0
        head = layout.V2_STRUCT.pack(
            *(layout.MAGIC, 3, name_at, len(name), CLUSTER_BITS, self.size, 0),
            *(self._l1_entries, CLUSTER, table_offset, table_clusters, 0, 0),
        )
        head += layout.V3_STRUCT.pack(0, 0, 0, _REFCOUNT_ORDER, layout.V3_HEADER_SIZE)
        return head + extensions + name


def _big_endian(kind: str, values: Iterable[int]) -> bytes:
    table = array(kind, values)
    if sys.byteorder == "little":
        table.byteswap()
    return table.tobytes()
