"""A file that a disk is written to: it has another name until it is complete."""

from __future__ import annotations

import os
from pathlib import Path

from imageport.disk.errors import TargetExistsError, UnwritableError


class TargetFile:
    """An open `NAME.partial`, which `complete` gives its name; offsets in bytes of the file.

    With `resume`, a partial file that exists already is gone on with (`resumed` says whether).
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        """Create the file. Raises `TargetExistsError`, `UnwritableError`."""
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self._fd = -1
        if path.exists():
            raise TargetExistsError(file=str(path))
        self.resumed = resume and self.partial.exists()
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_CREAT
        try:
            self._fd = os.open(self.partial, flags if self.resumed else flags | os.O_TRUNC, 0o644)
        except OSError as error:
            raise self._unwritable(0, error) from error

    def fileno(self) -> int:
        """The descriptor, for calls such as `copy_file_range`."""
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
        """Make the file `size` bytes long."""
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

    def complete(self) -> None:
        """Make the file durable and give it its name. Raises `TargetExistsError`."""
        if self.path.exists():
            raise TargetExistsError(file=str(self.path))
        try:
            os.fsync(self._fd)
            self.partial.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._unwritable(0, error) from error
        self.close()

    def close(self) -> None:
        """Close the file and leave it; safe to repeat."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Close and remove the partial file; safe to repeat and after `complete`."""
        if self._fd >= 0:
            self.close()
            self.partial.unlink(missing_ok=True)

    def _unwritable(self, offset: int, error: OSError) -> UnwritableError:
        detail = error.strerror or type(error).__name__
        return UnwritableError(file=str(self.path), offset=offset, detail=detail)
