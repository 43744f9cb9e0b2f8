"""Moving bytes from file to file inside the kernel, which shares them where it can.

File systems with reflinks (XFS, btrfs) then store nothing twice; others copy, no slower than a
write from memory.
"""

from __future__ import annotations

import os

from imageport.disk.allocating import AllocatingWriter
from imageport.disk.base import KIB, DiskReader, DiskWriter
from imageport.disk.file import LocalFile
from imageport.disk.mapped import MappedReader, Stored
from imageport.disk.raw import RawWriter
from imageport.disk.target import LocalTarget

ALIGNMENT = 4 * KIB
"""File systems share blocks of this size; what lies otherwise is written from memory."""


class KernelCopy:
    """Copies ranges from one image file to another, as long as the kernel does it."""

    def __init__(self, source: DiskReader, target: DiskWriter) -> None:
        self._source = source if isinstance(source, MappedReader) else None
        self._place, self._fd = None, -1
        if isinstance(target, AllocatingWriter | RawWriter) and isinstance(
            target.file, LocalTarget
        ):
            self._place, self._fd = target.place, target.file.fileno()

    def copy(self, start: int, end: int) -> bool:
        """Copy [start, end) of the disk; False when it has to be written instead."""
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
                if not self._move(file.fileno(), position, place, length):
                    return False
                position += length
        return True

    def _move(self, fd: int, position: int, place: int, length: int) -> bool:
        done = 0
        while done < length:
            try:
                got = os.copy_file_range(fd, self._fd, length - done, position + done, place + done)
            except OSError:
                # Another file system, a device, an old kernel, or a real error: then the write
                # that follows meets it again and names it.
                got = 0
            if not got:
                self._source = None
                return False
            done += got
        return True


def _aligned(*numbers: int) -> bool:
    return not any(number % ALIGNMENT for number in numbers)
