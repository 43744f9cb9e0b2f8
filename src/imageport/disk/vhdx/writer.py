"""Writing dynamic VHDX files as Hyper-V lays them out: log, metadata, table, payload."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import ClassVar
from uuid import UUID, uuid4

from imageport.disk.allocating import AllocatingWriter
from imageport.disk.base import KIB, MIB
from imageport.disk.errors import UnsupportedError
from imageport.disk.target import TargetFile
from imageport.disk.vhdx import layout
from imageport.disk.vhdx.crc32c import seal
from imageport.disk.vhdx.layout import BlockState, Header
from imageport.model.target import DiskFormat

DEFAULT_BLOCK = 2 * MIB
"""Bytes of a block: small ones keep the file small; Hyper-V's default of 32 MiB does not."""
LOGICAL_SECTOR, PHYSICAL_SECTOR = 512, 4096
_CREATOR = "imageport"
_LOG_OFFSET, _METADATA_OFFSET, _TABLE_OFFSET = MIB, 2 * MIB, 3 * MIB
_FOR_DISK = layout.IS_VIRTUAL_DISK | layout.IS_REQUIRED


class VhdxWriter(AllocatingWriter):
    """A dynamic VHDX of 512-byte logical sectors."""

    format: ClassVar[DiskFormat] = DiskFormat.VHDX

    def __init__(self, target: TargetFile, size: int, *, block_size: int = DEFAULT_BLOCK) -> None:
        """Create the file for a disk of `size` bytes; blocks of 1 to 256 MiB, a power of two."""
        if not MIB <= block_size <= 256 * MIB or block_size & (block_size - 1):
            feature = f"VHDX blocks of {block_size} bytes"
            raise UnsupportedError(file=target.name, feature=feature)
        super().__init__(target, size, block=block_size)
        self.ratio = layout.SECTORS_PER_BITMAP_BLOCK * LOGICAL_SECTOR // block_size
        """Blocks of a chunk, behind which the table has the entry of the chunk's bitmap."""
        self._entries = self.count_entries(-(-size // block_size))
        self._table_length = -(-self._entries * 8 // MIB) * MIB
        self.place_blocks(_TABLE_OFFSET + self._table_length, block_size)

    def count_entries(self, blocks: int) -> int:
        """Entries of the table for so many blocks (2.5)."""
        return blocks + (blocks - 1) // self.ratio

    def fill_table(self, table: array[int]) -> None:
        """Set the entries that are not `NOT_PRESENT`."""
        for block, position in self.positions.items():
            table[block + block // self.ratio] = position | BlockState.FULLY_PRESENT

    def metadata_items(self) -> tuple[tuple[UUID, int, bytes], ...]:
        """(guid, flags, value) of the metadata items (2.6.2)."""
        return (
            (layout.FILE_PARAMETERS, layout.IS_REQUIRED, struct.pack("<II", self.block, 0)),
            (layout.VIRTUAL_DISK_SIZE, _FOR_DISK, struct.pack("<Q", self.size)),
            (layout.VIRTUAL_DISK_ID, _FOR_DISK, uuid4().bytes_le),
            (layout.LOGICAL_SECTOR_SIZE, _FOR_DISK, struct.pack("<I", LOGICAL_SECTOR)),
            (layout.PHYSICAL_SECTOR_SIZE, _FOR_DISK, struct.pack("<I", PHYSICAL_SECTOR)),
        )

    def write_tables(self) -> None:
        """See `AllocatingWriter.write_tables`."""
        table = array("Q", [BlockState.NOT_PRESENT]) * self._entries
        self.fill_table(table)
        if sys.byteorder == "big":
            table.byteswap()
        self.file.truncate(self.next)
        self.file.write(_TABLE_OFFSET, table.tobytes())
        self.file.write(_METADATA_OFFSET, _metadata(self.metadata_items()))
        regions = _region_table(self._table_length)
        for offset in layout.REGION_TABLE_OFFSETS:
            self.file.write(offset, regions)
        ids = uuid4(), uuid4()
        for sequence, offset in enumerate(layout.HEADER_OFFSETS):
            self.file.write(offset, _header(sequence, *ids))
        self.file.write(0, layout.SIGNATURE + _CREATOR.encode("utf-16-le"))


def _header(sequence: int, file_write_id: UUID, data_write_id: UUID) -> bytes:
    ids = (guid.bytes_le for guid in (file_write_id, data_write_id, layout.NO_GUID))
    return seal(Header.STRUCT.pack(Header.MAGIC, 0, sequence, *ids, 0, 1, MIB, _LOG_OFFSET))


def _region_table(table_length: int) -> bytes:
    regions = (
        (layout.BAT_REGION, _TABLE_OFFSET, table_length),
        (layout.METADATA_REGION, _METADATA_OFFSET, MIB),
    )
    table = layout.REGION_HEADER.pack(layout.REGION_MAGIC, 0, len(regions), 0)
    for guid, offset, length in regions:
        table += layout.REGION_ENTRY.pack(guid.bytes_le, offset, length, 1)
    return seal(table.ljust(layout.REGION_TABLE_SIZE, b"\0"))


def _metadata(items: tuple[tuple[UUID, int, bytes], ...]) -> bytes:
    table = layout.METADATA_HEADER.pack(layout.METADATA_MAGIC, 0, len(items))
    data = b""
    for guid, flags, value in items:
        offset = 64 * KIB + len(data)
        table += layout.METADATA_ENTRY.pack(guid.bytes_le, offset, len(value), flags, 0)
        data += value
    return table.ljust(layout.METADATA_TABLE_SIZE, b"\0") + data
