"""Writing differencing VHDX files ([MS-VHDX] 2.4, 2.5 and 2.6.2.6)."""

from __future__ import annotations

import struct
from array import array
from uuid import UUID

from imageport.disk.base import SECTOR
from imageport.disk.errors import UnsupportedError
from imageport.disk.held import HeldSectors
from imageport.disk.parent import Parent
from imageport.disk.target import TargetFile
from imageport.disk.vhdx import layout
from imageport.disk.vhdx.layout import BlockState
from imageport.disk.vhdx.reader import VhdxReader
from imageport.disk.vhdx.writer import LOGICAL_SECTOR, VhdxWriter


class VhdxChildStore(VhdxWriter):
    """A differencing VHDX; blocks that it holds in part have their sectors in a bitmap.

    By the specification the bitmap counts for those alone. But there are readers (libvhdi) that ask
    it about absent blocks, too: a chunk of which anything is held has one, which is right for all.
    """

    def __init__(self, target: TargetFile, parent: Parent) -> None:
        """Create the file of a child of `parent`."""
        reader = parent.reader
        if not isinstance(reader, VhdxReader) or reader.sector_size != LOGICAL_SECTOR:
            feature = "a child of a disk of other than 512-byte sectors"
            raise UnsupportedError(file=target.name, feature=feature)
        self._linkage, self._parent = reader.identity, parent
        super().__init__(target, reader.size)
        self.held = HeldSectors(self.size, self.block)
        self._bitmaps: dict[int, int] = {}

    def count_entries(self, blocks: int) -> int:
        """See `VhdxWriter.count_entries`: every chunk has the entry of its bitmap."""
        return -(-blocks // self.ratio) * (self.ratio + 1)

    def write_tables(self) -> None:
        """See `AllocatingWriter.write_tables`; here bitmaps get their place, a MiB a chunk.

        A block that was only zeroed, in part, gets its place as well: nothing else says so.
        """
        for block in self.held.blocks():
            self._bitmaps.setdefault(block // self.ratio, 0)
            if not self.held.is_whole(block):
                self.allocate(block)
        for chunk in self._bitmaps:
            self._bitmaps[chunk] = self.next
            # A payload block's stride ends where the bitmap begins: both are whole MiB.
            self.next += layout.BITMAP_BLOCK
        super().write_tables()
        self._write_bitmaps()

    def fill_table(self, table: array[int]) -> None:
        """See `VhdxWriter.fill_table`."""
        super().fill_table(table)
        for block in self.held.blocks():
            index = block + block // self.ratio
            if not self.held.is_whole(block):
                table[index] = self.positions[block] | BlockState.PARTIALLY_PRESENT
            elif not self.positions[block]:
                table[index] = BlockState.ZERO
        for chunk, position in self._bitmaps.items():
            entry = position | BlockState.FULLY_PRESENT
            table[(chunk + 1) * self.ratio + chunk] = entry

    def metadata_items(self) -> tuple[tuple[UUID, int, bytes], ...]:
        """See `VhdxWriter.metadata_items`."""
        _, *others = super().metadata_items()
        parameters = struct.pack("<II", self.block, layout.HAS_PARENT)
        return (
            (layout.FILE_PARAMETERS, layout.IS_REQUIRED, parameters),
            *others,
            (layout.PARENT_LOCATOR, layout.IS_REQUIRED, self._locator()),
        )

    def _locator(self) -> bytes:
        """The parent locator: the linkage first, and the relative path, which is tried first."""
        pairs = {
            "parent_linkage": f"{{{self._linkage}}}",
            "relative_path": self._parent.relative_windows,
        }
        if self._parent.windows:
            pairs["absolute_win32_path"] = f"\\\\?\\{self._parent.windows}"
        return layout.pack_locator(pairs)

    def _write_bitmaps(self) -> None:
        """The file is as long as the bitmaps need; what is not written of them is zeros."""
        length = self.block // SECTOR // 8
        for block in self.held.blocks():
            position = self._bitmaps[block // self.ratio] + block % self.ratio * length
            self.file.write(position, self.held.mask(block).to_bytes(length, "little"))
