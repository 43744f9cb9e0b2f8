"""The file that an image is written to: it has another name until it is complete."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

from imageport.disk.base import ZEROS
from imageport.disk.errors import TargetExistsError, UnsupportedError
from imageport.disk.writable import Writable


class TargetFile(ABC):
    """A new file, here or elsewhere; offsets in bytes of the file. Methods raise `DiskError`.

    `write` and `read` may be called from several threads at once.
    """

    name: str
    """What errors call the file: a path, or an address without secrets."""
    record: Path
    """A file here in which a format keeps what it needs to go on with an unfinished target."""
    resumed = False
    """Whether `open` found what an earlier process wrote."""
    workers = 1
    """Threads that writing is fastest with; 1 for no wish."""
    zeroed = True
    """True when, after `open`, what is never written reads as zeros."""
    sequential = False
    """True when each write must begin where the last one ended, and nothing can be read."""

    @abstractmethod
    def open(self) -> None:
        """Create the file, or find the unfinished one that is to be gone on with."""

    @abstractmethod
    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `offset`."""

    def zero(self, offset: int, length: int) -> None:
        """Make `length` bytes at `offset` read as zeros."""
        for at in range(offset, offset + length, len(ZEROS)):
            self.write(at, ZEROS[: offset + length - at])

    @abstractmethod
    def read(self, offset: int, view: memoryview) -> bool:
        """Fill `view` from `offset`; False when the file is too short."""

    @abstractmethod
    def truncate(self, size: int) -> None:
        """Make the file `size` bytes long; what is new reads as zeros."""

    @abstractmethod
    def sync(self) -> None:
        """Make everything written so far durable."""

    @abstractmethod
    def complete(self) -> None:
        """Make the file durable and give it its name. Raises `TargetExistsError`."""

    @abstractmethod
    def close(self) -> None:
        """Close the file and leave it; safe to repeat."""

    @abstractmethod
    def discard(self) -> None:
        """Close and remove the unfinished file; safe to repeat and after `complete`."""

    def require_random_access(self, format: str) -> None:
        """Raise `UnsupportedError` for `format`, which is not written front to back."""
        if self.sequential:
            raise UnsupportedError(file=self.name, feature=f"{format} on a target that is a stream")


class LocalTarget(Writable, TargetFile):
    """`NAME.partial` beside the path, which `complete` gives its name.

    With `resume`, a partial file that exists already is gone on with. With `overwrite`, a file that
    has the name is replaced by `complete`. Without `durable`, `complete` does not wait for the
    storage: after a power cut, a file with its name may be incomplete.
    """

    def __init__(
        self, path: Path, *, resume: bool = False, overwrite: bool = False, durable: bool = True
    ) -> None:
        self.path, self.name = path, str(path)
        self.partial = path.with_name(path.name + ".partial")
        self.record = path.with_name(path.name + ".partial.blocks")
        self._resume, self._overwrite, self._durable = resume, overwrite, durable

    def open(self) -> None:
        """See `TargetFile.open`. Raises `TargetExistsError`, `UnwritableError`."""
        self._require_free_name()
        self.resumed = self._resume and self.partial.exists()
        anew = 0 if self.resumed else os.O_TRUNC
        self._open(self.partial, os.O_RDWR | os.O_CREAT | anew)

    def complete(self) -> None:
        """See `TargetFile.complete`."""
        self._require_free_name()
        try:
            if self._durable:
                os.fsync(self._fd)
            self.partial.replace(self.path)
            if self._durable:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise self._unwritable(0, error) from error
        self.close()

    def discard(self) -> None:
        """See `TargetFile.discard`."""
        if self._fd >= 0:
            self.close()
            self.partial.unlink(missing_ok=True)

    def _require_free_name(self) -> None:
        if self.path.exists() and not self._overwrite:
            raise TargetExistsError(file=self.name)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
