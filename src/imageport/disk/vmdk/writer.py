"""Writing streamOptimized VMDK, front to back, as a stream to ESXi may be ("Stream-Optimized")."""

from __future__ import annotations

import secrets
import sys
from array import array
from dataclasses import replace
from pathlib import PurePosixPath
from typing import ClassVar

from imageport.disk.base import SECTOR
from imageport.disk.deflate import deflate
from imageport.disk.errors import UnsupportedError
from imageport.disk.mapped import MAX_SIZE
from imageport.disk.target import TargetFile
from imageport.disk.turnstile import Turnstile
from imageport.disk.vmdk.descriptor import stream_text
from imageport.disk.vmdk.layout import (
    DEFLATE,
    GD_AT_END,
    GRAIN_MARKER,
    METADATA_MARKER,
    Flag,
    Marker,
    SparseHeader,
)
from imageport.model.target import DiskFormat

GRAIN_SECTORS = 128
GRAIN = GRAIN_SECTORS * SECTOR
"""Bytes of a grain; VMware takes no other size."""
TABLE_ENTRIES = 512
_DESCRIPTOR_OFFSET, _DESCRIPTOR_SIZE = 1, 20
_OVERHEAD = GRAIN_SECTORS
"""Sectors before the first grain."""


class StreamVmdkWriter:
    """A `DiskWriter` that deflates grains in the calling threads and writes them in order."""

    format: ClassVar[DiskFormat] = DiskFormat.VMDK
    zeroed: ClassVar[bool] = True
    ordered: ClassVar[bool] = True

    def __init__(self, target: TargetFile, size: int) -> None:
        """Create the file for a disk of `size` bytes, whole grains."""
        if not 0 < size <= MAX_SIZE or size % GRAIN:
            feature = f"a virtual size of {size} bytes in {self.format}"
            raise UnsupportedError(file=target.name, feature=feature)
        self.size = size
        self.name = target.name
        self._file = target
        target.open()
        self._turnstile = Turnstile(self.name)
        self._at = 0
        self._table = array("I", [0]) * TABLE_ENTRIES
        self._table_index = 0
        tables = -(-size // (GRAIN * TABLE_ENTRIES))
        self._directory = array("I", [0]) * tables
        self._header = SparseHeader(
            version=3,
            flags=Flag.NEWLINE_TEST | Flag.COMPRESSED | Flag.MARKERS,
            capacity=size // SECTOR,
            grain=GRAIN_SECTORS,
            descriptor_offset=_DESCRIPTOR_OFFSET,
            descriptor_size=_DESCRIPTOR_SIZE,
            table_entries=TABLE_ENTRIES,
            redundant_directory=0,
            directory=GD_AT_END,
            overhead=_OVERHEAD,
            unclean=0,
            compression=DEFLATE,
        )
        text = stream_text(
            PurePosixPath(self.name).name, size // SECTOR, secrets.randbelow(0xFFFFFFFE)
        )
        self._append((self._header.pack() + text).ljust(_OVERHEAD * SECTOR, b"\0"))

    def write(self, offset: int, data: memoryview) -> None:
        """See `DiskWriter.write`; every grain is stored, also one of zeros."""
        starts = range(0, len(data), GRAIN)
        grains = [_packed(offset + at, data[at : at + GRAIN]) for at in starts]
        with self._turnstile.turn(offset, offset + len(data)):
            self._append_grains(offset // GRAIN, grains)

    def zero(self, offset: int, length: int) -> None:
        """See `DiskWriter.zero`."""
        with self._turnstile.turn(offset, offset + length):
            pass

    def finish(self) -> None:
        """See `DiskWriter.finish`; raises when the disk was not covered."""
        self._turnstile.require_end(self.size)
        self._end_table()
        directory = self._append_metadata(Marker.GRAIN_DIRECTORY, self._directory)
        footer = replace(self._header, directory=directory)
        self._append(METADATA_MARKER.pack(1, 0, Marker.FOOTER) + footer.pack())
        self._append(METADATA_MARKER.pack(0, 0, Marker.END_OF_STREAM))
        self._file.complete()

    def abort(self) -> None:
        """See `DiskWriter.abort`."""
        self._turnstile.close()
        self._file.discard()

    def _append_grains(self, first: int, grains: list[bytes]) -> None:
        pending: list[bytes] = []
        at = self._at
        for number, grain in enumerate(grains, first):
            if number // TABLE_ENTRIES != self._table_index:
                self._append(b"".join(pending))
                pending.clear()
                self._end_table()
                self._table_index = number // TABLE_ENTRIES
                at = self._at
            self._table[number % TABLE_ENTRIES] = at // SECTOR
            pending.append(grain)
            at += len(grain)
        self._append(b"".join(pending))

    def _end_table(self) -> None:
        """Write the grain table at hand, if it has any grain, and begin an empty one."""
        if any(self._table):
            offset = self._append_metadata(Marker.GRAIN_TABLE, self._table)
            self._directory[self._table_index] = offset
            self._table = array("I", [0]) * TABLE_ENTRIES

    def _append_metadata(self, kind: Marker, table: array[int]) -> int:
        """Write a table behind its marker; the sector where it begins."""
        if sys.byteorder == "big":
            table = table[:]
            table.byteswap()
        data = table.tobytes()
        sectors = -(-len(data) // SECTOR)
        self._append(METADATA_MARKER.pack(sectors, 0, kind))
        offset = self._at // SECTOR
        self._append(data.ljust(sectors * SECTOR, b"\0"))
        return offset

    def _append(self, data: bytes) -> None:
        self._file.write(self._at, data)
        self._at += len(data)


def _packed(offset: int, grain: memoryview) -> bytes:
    """The grain behind its marker, padded to whole sectors."""
    if len(grain) < GRAIN:
        grain = memoryview(bytes(grain).ljust(GRAIN, b"\0"))
    data = deflate(grain)
    return b"".join(
        (
            GRAIN_MARKER.pack(offset // SECTOR, len(data)),
            data,
            bytes(-(GRAIN_MARKER.size + len(data)) % SECTOR),
        )
    )
