"""Raw disks: the bytes as they are, in a file or on a block device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from imageport.disk.file import ImageFile
from imageport.disk.mapped import MappedReader, Run, Stored
from imageport.model.target import DiskFormat


class RawReader(MappedReader):
    """A raw disk; holes of the file are its unallocated extents."""

    format: ClassVar[DiskFormat] = DiskFormat.RAW

    def __init__(self, file: ImageFile) -> None:
        super().__init__(file, file.size)

    def own_runs(self, start: int, end: int) -> Iterator[Run]:
        """See `MappedReader.own_runs`."""
        yield Stored(start, end - start, self.file, start)
