"""Writing fixed and dynamic VHD files."""

from __future__ import annotations

import sys
import time
from array import array
from typing import ClassVar
from uuid import UUID, uuid4

from imageport.disk.allocating import AllocatingWriter
from imageport.disk.base import KIB, MIB, SECTOR
from imageport.disk.errors import UnsupportedError
from imageport.disk.raw import RawWriter
from imageport.disk.target import TargetFile
from imageport.disk.vhd.layout import (
    DEFAULT_BLOCK,
    EPOCH,
    FOOTER_SIZE,
    HEADER_SIZE,
    MAX_SIZE,
    NO_OFFSET,
    UNUSED_BLOCK,
    DiskType,
    DynamicHeader,
    Footer,
    geometry,
)
from imageport.model.target import DiskFormat

ALIGNMENT = 4 * KIB
"""A block's data begins at a multiple of this, as XenServer's own files have it."""

_BITMAP_SIZE = DEFAULT_BLOCK // SECTOR // 8


def _footer(size: int, disk_type: DiskType, data_offset: int) -> bytes:
    footer = Footer(
        disk_type=disk_type,
        current_size=size,
        original_size=size,
        data_offset=data_offset,
        unique_id=uuid4(),
        timestamp=int(time.time()) - EPOCH,
        geometry=geometry(size),
    )
    return footer.pack()


class FixedVhdWriter(RawWriter):
    """A fixed VHD as Azure takes it: whole MiB and a footer; sparse on the file system."""

    format: ClassVar[DiskFormat] = DiskFormat.VHD_FIXED
    tail: ClassVar[int] = FOOTER_SIZE

    def __init__(self, target: TargetFile, size: int) -> None:
        """Create the file for a disk of `size` bytes, whole MiB."""
        if size % MIB or size > MAX_SIZE:
            feature = f"a fixed VHD of {size} bytes (whole MiB, at most {MAX_SIZE})"
            raise UnsupportedError(file=target.name, feature=feature)
        super().__init__(target, size)

    def finish(self) -> None:
        """See `DiskWriter.finish`."""
        self.file.write(self.size, _footer(self.size, DiskType.FIXED, NO_OFFSET))
        super().finish()


class DynamicVhdWriter(AllocatingWriter):
    """A dynamic VHD of 2 MiB blocks."""

    format: ClassVar[DiskFormat] = DiskFormat.VHD
    disk_type: ClassVar[DiskType] = DiskType.DYNAMIC

    def __init__(self, target: TargetFile, size: int) -> None:
        """Create the file for a disk of `size` bytes, whole sectors."""
        super().__init__(target, size, block=DEFAULT_BLOCK)
        self.entries = -(-size // DEFAULT_BLOCK)
        self.table_offset = FOOTER_SIZE + HEADER_SIZE
        self.table_end = self.table_offset + -(-self.entries * 4 // SECTOR) * SECTOR
        tables_end = self.table_end + self.tail_of_tables() + _BITMAP_SIZE
        first = -(-tables_end // ALIGNMENT) * ALIGNMENT
        self.place_blocks(first, DEFAULT_BLOCK + ALIGNMENT)

    @classmethod
    def max_size(cls) -> int:
        """See `AllocatingWriter.max_size`."""
        return MAX_SIZE

    def tail_of_tables(self) -> int:
        """Bytes to keep free behind the block allocation table."""
        return 0

    def bitmap(self, block: int) -> bytes:  # here all blocks are alike
        """The bitmap of a block's sectors: all are there, those never written as zeros."""
        return b"\xff" * _BITMAP_SIZE

    def header(self) -> DynamicHeader:
        """The dynamic disk header."""
        return DynamicHeader(
            table_offset=self.table_offset,
            entries=self.entries,
            block_size=DEFAULT_BLOCK,
            parent_id=UUID(int=0),
            parent_timestamp=0,
            parent_name="",
            locators=(),
        )

    def write_tables(self) -> None:
        """See `AllocatingWriter.write_tables`."""
        table = array("I", [UNUSED_BLOCK]) * self.entries
        for block, position in self.positions.items():
            start = position - _BITMAP_SIZE
            self.file.write(start, self.bitmap(block))
            table[block] = start // SECTOR
        if sys.byteorder == "little":
            table.byteswap()
        footer = _footer(self.size, self.disk_type, FOOTER_SIZE)
        packed = table.tobytes().ljust(self.table_end - self.table_offset, b"\xff")
        self.file.write(0, footer + self.header().pack() + packed)
        self.file.truncate(self.next)
        self.file.write(self.next, footer)
