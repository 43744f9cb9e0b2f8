"""A file or device of this computer that is written to."""

from __future__ import annotations

import os
from pathlib import Path

from imageport.disk.errors import UnwritableError


class Writable:
    """What holds such a file open; offsets in bytes. Methods raise `UnwritableError`."""

    name: str
    """What errors call it."""
    _fd = -1

    def fileno(self) -> int:
        """The descriptor, for calls that share blocks."""
        return self._fd

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `offset`."""
        view, done = memoryview(data), 0
        try:
            while done < len(view):
                done += os.pwrite(self._fd, view[done:], offset + done)
        except OSError as error:
            raise self._unwritable(offset + done, error) from error

    def read(self, offset: int, view: memoryview) -> bool:
        """Fill `view` from `offset`; False when the file is too short."""
        try:
            return os.preadv(self._fd, [view], offset) == len(view)
        except OSError as error:
            raise self._unwritable(offset, error) from error

    def truncate(self, size: int) -> None:
        """Make the file `size` bytes long; what is new reads as zeros."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self._unwritable(size, error) from error

    def sync(self) -> None:
        """Make everything written so far durable."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise self._unwritable(0, error) from error

    def close(self) -> None:
        """Close it and leave it; safe to repeat."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self, path: Path, flags: int, mode: int = 0o644) -> None:
        try:
            self._fd = os.open(path, flags | os.O_CLOEXEC, mode)
        except OSError as error:
            raise self._unwritable(0, error) from error

    def _unwritable(self, offset: int, error: OSError) -> UnwritableError:
        detail = error.strerror or type(error).__name__
        return UnwritableError(file=self.name, offset=offset, detail=detail)
