"""A folder of images, here or on a share: what is in it, and what becomes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from imageport.disk.errors import TargetExistsError, UnreadableError, UnwritableError
from imageport.disk.file import ImageFile, LocalFile
from imageport.disk.target import LocalTarget, TargetFile


class Folder(Protocol):
    """A folder; `file` is the plain name of a file in it. Methods raise `DiskError`."""

    @property
    def name(self) -> str:
        """What errors call the folder: a path, or an address without secrets."""

    @property
    def guarded(self) -> bool:
        """Whether a file that is open here to be read cannot be open elsewhere to be written."""

    def address(self, file: str) -> str:
        """The path or address of a file."""

    def files(self) -> dict[str, int]:
        """The size in bytes of each file, by name; folders are left out."""

    def open(self, file: str) -> ImageFile:
        """Open a file for reading; where the folder is guarded, nobody writes to it meanwhile."""

    def target(self, file: str, record: Path, *, resume: bool) -> TargetFile:
        """A new file, which replaces what has its name. `record` is as in `TargetFile`."""

    def rename(self, old: str, new: str, *, replace: bool) -> None:
        """Give a file another name. Without `replace`, raises `TargetExistsError`."""

    def remove(self, file: str) -> None:
        """Delete a file, if it is there."""

    def require_unused(self, file: str) -> None:
        """Raise `InUseError` when another program is known to have the file open, to any end."""

    def free_space(self) -> int:
        """Bytes that may still be stored in it."""


class LocalFolder:
    """A folder of this computer, where programs do not shut each other out."""

    guarded = False

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)

    def address(self, file: str) -> str:
        """See `Folder.address`."""
        return str(self.path / file)

    def files(self) -> dict[str, int]:
        """See `Folder.files`. Raises `UnreadableError`."""
        try:
            with os.scandir(self.path) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise UnreadableError(file=self.name, offset=0, detail=detail) from error

    def open(self, file: str) -> ImageFile:
        """See `Folder.open`."""
        return LocalFile(self.path / file)

    def target(self, file: str, record: Path, *, resume: bool) -> TargetFile:
        """See `Folder.target`."""
        target = LocalTarget(self.path / file, resume=resume, overwrite=True)
        target.record = record
        return target

    def rename(self, old: str, new: str, *, replace: bool) -> None:
        """See `Folder.rename`. Raises `UnwritableError`, too."""
        place = self.path / new
        if place.exists() and not replace:
            raise TargetExistsError(file=str(place))
        with self._writing(old):
            (self.path / old).replace(place)
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def remove(self, file: str) -> None:
        """See `Folder.remove`. Raises `UnwritableError`."""
        with self._writing(file):
            (self.path / file).unlink(missing_ok=True)

    def require_unused(self, file: str) -> None:
        """See `Folder.require_unused`: here it is not known."""

    def free_space(self) -> int:
        """See `Folder.free_space`. Raises `UnreadableError`."""
        try:
            state = os.statvfs(self.path)
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise UnreadableError(file=self.name, offset=0, detail=detail) from error
        return state.f_bavail * state.f_frsize

    @contextmanager
    def _writing(self, file: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise UnwritableError(file=str(self.path / file), offset=0, detail=detail) from error
