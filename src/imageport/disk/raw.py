"""Raw disks: the bytes as they are, in a file or on a block device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from imageport.disk.base import SECTOR
from imageport.disk.errors import UnsupportedError
from imageport.disk.file import ImageFile
from imageport.disk.mapped import MappedReader, Run, Stored
from imageport.disk.target import TargetFile
from imageport.model.target import DiskFormat


class RawReader(MappedReader):
    """A raw disk; holes of the file are its unallocated extents."""

    format: ClassVar[DiskFormat] = DiskFormat.RAW

    def __init__(self, file: ImageFile) -> None:
        super().__init__(file, file.size)

    def own_runs(self, start: int, end: int) -> Iterator[Run]:
        """See `MappedReader.own_runs`."""
        yield Stored(start, end - start, self.file, start)


class RawWriter:
    """A `ResumableWriter` of a sparse raw file."""

    format: ClassVar[DiskFormat] = DiskFormat.RAW
    ordered: ClassVar[bool] = False
    tail: ClassVar[int] = 0
    """Bytes that the format has behind the disk."""

    def __init__(self, target: TargetFile, size: int) -> None:
        """Create the file for a disk of `size` bytes, whole sectors."""
        if size <= 0 or size % SECTOR:
            feature = f"a virtual size of {size} bytes in {self.format}"
            raise UnsupportedError(file=target.name, feature=feature)
        target.require_random_access(self.format)
        self.size = size
        self.name = target.name
        self.file = target
        target.open()
        self.zeroed = target.zeroed
        target.truncate(size + self.tail)

    def place(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """(position in the file, length) of the pieces of a range."""
        yield offset, length

    @property
    def workers(self) -> int:
        """See `TargetFile.workers`."""
        return self.file.workers

    def write(self, offset: int, data: memoryview) -> None:
        """See `DiskWriter.write`."""
        self.file.write(offset, data)

    def zero(self, offset: int, length: int) -> None:
        """See `DiskWriter.zero`."""
        self.file.zero(offset, length)

    def finish(self) -> None:
        """See `DiskWriter.finish`."""
        self.file.complete()

    def abort(self) -> None:
        """See `DiskWriter.abort`."""
        self.file.discard()

    def restart(self) -> None:
        """See `ResumableWriter.restart`."""
        self.file.truncate(0)
        self.file.truncate(self.size + self.tail)

    def sync(self) -> None:
        """See `ResumableWriter.sync`."""
        self.file.sync()

    def suspend(self) -> None:
        """See `ResumableWriter.suspend`."""
        self.file.sync()
        self.file.close()

    def read_back(self, offset: int, view: memoryview) -> bool:
        """See `ResumableWriter.read_back`."""
        return self.file.read(offset, view)
