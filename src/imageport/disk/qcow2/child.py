"""Writing qcow2 overlays."""

from __future__ import annotations

import os

from imageport.disk.errors import UnsupportedError
from imageport.disk.held import HeldSectors
from imageport.disk.parent import Parent
from imageport.disk.qcow2 import layout
from imageport.disk.qcow2.writer import Qcow2Writer
from imageport.disk.qemu import QEMU_FORMATS
from imageport.disk.target import TargetFile

_ZERO_CLUSTER = layout.READS_AS_ZEROS
"""Stands for a position, which is a multiple of the cluster size."""


class OverlayStore(Qcow2Writer):
    """An overlay whose clusters are whole: what was not written of one is copied at the end."""

    def __init__(self, target: TargetFile, parent: Parent) -> None:
        """Create the file of a child of `parent`."""
        self._parent = parent
        self._name = os.fsencode(parent.relative)
        if len(self._name) > layout.MAX_BACKING_NAME:
            feature = f"a backing file name of {len(self._name)} bytes"
            raise UnsupportedError(file=target.name, feature=feature)
        super().__init__(target, parent.reader.size)
        self.held = HeldSectors(self.size, self.block)

    def write_tables(self) -> None:
        """See `AllocatingWriter.write_tables`."""
        for block in self.held.blocks():
            if not self.held.is_whole(block):
                self._complete(block)
            elif not self.positions[block]:
                self.positions[block] = _ZERO_CLUSTER
        super().write_tables()

    def entry(self, position: int) -> int:
        """See `Qcow2Writer.entry`."""
        return position if position == _ZERO_CLUSTER else super().entry(position)

    def backing(self) -> tuple[bytes, bytes]:
        """See `Qcow2Writer.backing`: a relative name is one from the overlay's folder."""
        return self._name, QEMU_FORMATS[self._parent.reader.format].encode()

    def _complete(self, block: int) -> None:
        """Copy what the parent has of a cluster that is held in part."""
        for offset, length in self.held.missing(block):
            data = bytearray(length)
            self._parent.reader.read_into(offset, data)
            self.write(offset, memoryview(data))
