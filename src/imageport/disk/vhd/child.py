"""Writing differencing VHD files."""

from __future__ import annotations

from uuid import UUID

from imageport.disk.base import SECTOR
from imageport.disk.errors import UnsupportedError
from imageport.disk.held import HeldSectors
from imageport.disk.parent import Parent
from imageport.disk.target import TargetFile
from imageport.disk.vhd.layout import DEFAULT_BLOCK, EPOCH, MAX_NAME, DiskType, DynamicHeader
from imageport.disk.vhd.writer import DynamicVhdWriter


class VhdChildStore(DynamicVhdWriter):
    """A differencing VHD of 2 MiB blocks, each behind the bitmap of the sectors that it holds."""

    disk_type = DiskType.DIFFERENCING

    def __init__(self, target: TargetFile, parent: Parent) -> None:
        """Create the file of a child of `parent`."""
        identity = parent.reader.identity
        names = [(b"W2ru", parent.relative_windows)]
        if parent.windows:
            names.append((b"W2ku", parent.windows))
        shown = parent.windows or parent.file_name
        if not isinstance(identity, UUID) or len(shown.encode("utf-16-be")) > MAX_NAME:
            feature = f"a parent that is called {shown}"
            raise UnsupportedError(file=target.name, feature=feature)
        self._parent, self._parent_id, self._shown = parent, identity, shown
        self._locators = [(code, name.encode("utf-16-le")) for code, name in names]
        super().__init__(target, parent.reader.size)
        self.held = HeldSectors(self.size, self.block)

    def write_tables(self) -> None:
        """See `AllocatingWriter.write_tables`; blocks that were only zeroed get their place now."""
        for block in self.held.blocks():
            self.allocate(block)
        super().write_tables()
        at = self.table_end
        for _, name in self._locators:
            self.file.write(at, name)
            at += _whole_sectors(name)

    def tail_of_tables(self) -> int:
        """See `DynamicVhdWriter.tail_of_tables`: the parent's names."""
        return sum(_whole_sectors(name) for _, name in self._locators)

    def bitmap(self, block: int) -> bytes:
        """See `DynamicVhdWriter.bitmap`: the first sector is the highest bit of the first byte."""
        bits, size = self.held.mask(block), DEFAULT_BLOCK // SECTOR
        return int(f"{bits:0{size}b}"[::-1], 2).to_bytes(size // 8, "big")

    def header(self) -> DynamicHeader:
        """See `DynamicVhdWriter.header`."""
        locators, at = [], self.table_end
        for code, name in self._locators:
            locators.append((code, len(name), at))
            at += _whole_sectors(name)
        return DynamicHeader(
            table_offset=self.table_offset,
            entries=self.entries,
            block_size=DEFAULT_BLOCK,
            parent_id=self._parent_id,
            parent_timestamp=max(0, self._parent.modified - EPOCH),
            parent_name=self._shown,
            locators=tuple(locators),
        )


def _whole_sectors(name: bytes) -> int:
    return -(-len(name) // SECTOR) * SECTOR
