"""Letting two image files share blocks, where their file system can (XFS and btrfs)."""

from __future__ import annotations

import errno
import fcntl
import struct

from imageport.disk.allocating import AllocatingWriter
from imageport.disk.base import KIB, DiskReader, DiskWriter
from imageport.disk.file import LocalFile
from imageport.disk.mapped import MappedReader, Stored
from imageport.disk.raw import RawWriter
from imageport.disk.target import LocalTarget

ALIGNMENT = 4 * KIB
"""File systems share blocks of this size; what lies otherwise is written from memory."""
_FICLONERANGE = 0x4020940D
"""`_IOW(0x94, 13, struct file_clone_range)` of linux/fs.h; see ioctl_ficlonerange(2)."""
_CLONE_RANGE = struct.Struct("=qQQQ")


class Sharing:
    """Shares ranges of a source's files with a target's, as long as the file system does it."""

    def __init__(self, source: DiskReader, target: DiskWriter) -> None:
        self._source = source if isinstance(source, MappedReader) else None
        self._place, self._fd = None, -1
        if isinstance(target, AllocatingWriter | RawWriter) and isinstance(
            target.file, LocalTarget
        ):
            self._place, self._fd = target.place, target.file.fileno()

    @property
    def possible(self) -> bool:
        """Whether blocks may be shared, as far as is known."""
        return self._source is not None and self._place is not None

    def share(self, start: int, end: int) -> bool:
        """Share [start, end) of the disk; False when it has to be written instead."""
        if self._source is None or self._place is None:
            return False
        runs = [run for run in self._source.runs(start, end) if isinstance(run, Stored)]
        aligned = all(_aligned(run.position, run.length) for run in runs)
        if sum(run.length for run in runs) != end - start or not aligned:
            return False
        for run in runs:
            file, position = run.file, run.position
            if not isinstance(file, LocalFile) or file.patched:
                return False
            for place, length in self._place(run.offset, run.length):
                if not self._clone(file.fileno(), position, place, length):
                    return False
                position += length
        return True

    def _clone(self, fd: int, position: int, place: int, length: int) -> bool:
        wish = _CLONE_RANGE.pack(fd, position, length, place)
        try:
            fcntl.ioctl(self._fd, _FICLONERANGE, wish)
        except OSError as error:
            # EINVAL: larger blocks than ours. Everything else stays as it is for the whole copy:
            # another file system, a device, one that cannot share. What follows is a write.
            if error.errno != errno.EINVAL:
                self._source = None
            return False
        return True


def _aligned(*numbers: int) -> bool:
    return not any(number % ALIGNMENT for number in numbers)
