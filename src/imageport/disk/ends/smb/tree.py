"""A folder on a share, and small files below it: written, read and removed one after another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Self, TypeVar

from imageport.disk.base import MIB
from imageport.disk.ends.errors import NotFoundError
from imageport.disk.ends.retry import PATIENCE, RetryBudget, TransientError
from imageport.disk.ends.smb.file import SILENCE
from imageport.disk.ends.smb.lane import WRITING, Access, Create, Handle, Lane, Login, Share
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.status import FOREIGN, NO_FOLDER, status_of, translated
from imageport.model.credentials import UsernamePassword

T = TypeVar("T")

_LOOKING = Access.READ_ATTRIBUTES | Access.SYNCHRONIZE
_LISTING = Access.READ_DATA | _LOOKING
_REMOVING = Access.DELETE | _LOOKING
_EVERYTHING = Share.READ | Share.WRITE | Share.DELETE
_PIECE = MIB
"""Bytes that are moved at once: a new session has credits for no more than a few."""
_LARGEST = 64 * MIB
"""Bytes of a file that is read whole."""


class SmbTree:
    """The folder at a location, over one connection that is made again when it breaks.

    Paths are below it, with slashes. Everything may be repeated. Methods raise `DeniedError`,
    `NotFoundError`, `NoSpaceError`, `RefusedError`, `InsecureError` and `UnreachableError`.
    """

    def __init__(
        self,
        location: SmbLocation,
        credential: UsernamePassword,
        *,
        require_encryption: bool = True,
        patience: float = PATIENCE,
        cancel: threading.Event | None = None,
    ) -> None:
        """Nothing is asked of the server yet. Options are as for `SmbFile`."""
        self.location = location
        self._login = Login(location, credential, require_encryption, min(SILENCE, patience))
        self._budget = RetryBudget(location.name, patience=patience, cancel=cancel)
        self._lane: Lane | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def exists(self, path: str = "") -> bool:
        """Whether there is a file or a folder at `path`."""
        try:
            self._run(path, lambda lane, full: _open(lane, full, _LOOKING, folder=None).close())
        except NotFoundError:
            return False
        return True

    def make(self, path: str) -> None:
        """Make the folder `path`, unless it is there; the one that it lies in has to be."""

        def work(lane: Lane, full: str) -> None:
            lane.open(full, _LOOKING, _EVERYTHING, Create.IF_MISSING, folder=True).close()

        self._run(path, work)

    def write(self, path: str, content: IO[bytes]) -> None:
        """Write the file `path` from a stream that can be read again, durably."""

        def work(lane: Lane, full: str) -> None:
            content.seek(0)
            handle = lane.open(full, WRITING, _EVERYTHING, Create.ANEW)
            offset = 0
            while piece := content.read(_PIECE):
                handle.write(offset, memoryview(piece))
                offset += len(piece)
            handle.flush()
            handle.close()

        self._run(path, work)

    def read(self, path: str) -> bytes:
        """The content of a small file."""

        def work(lane: Lane, full: str) -> bytes:
            handle = _open(lane, full, _LISTING, folder=False)
            content = bytearray(min(handle.stamp().size, _LARGEST))
            for offset in range(0, len(content), _PIECE):
                handle.read(offset, memoryview(content)[offset : offset + _PIECE])
            handle.close()
            return bytes(content)

        return self._run(path, work)

    def rename(self, path: str, new: str) -> None:
        """Give a file or folder another name; one that has it already is not replaced."""
        to = self._full(new)

        def work(lane: Lane, full: str) -> None:
            handle = _open(lane, full, _REMOVING, folder=None)
            try:
                handle.rename(to, replace=False)
            finally:
                handle.close()

        try:
            self._run(path, work)
        except NotFoundError:
            # The answer to the renaming may have been lost, but not the renaming.
            if not self.exists(new):
                raise

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""
        with suppress(NotFoundError):
            self._run(path, _remove)

    def _full(self, path: str) -> str:
        below = "\\".join(part for part in (self.location.path, path) if part)
        return below.replace("/", "\\")

    def _run(self, path: str, work: Callable[[Lane, str], T]) -> T:
        return self._budget.run(lambda: self._attempt(path, work))

    def _attempt(self, path: str, work: Callable[[Lane, str], T]) -> T:
        try:
            if self._lane is None:
                self._lane = Lane(self._login)
            return work(self._lane, self._full(path))
        except FOREIGN as error:
            name = "/".join(part for part in (self.location.name.rstrip("/"), path) if part)
            raised = translated(error, name, 0)
            if isinstance(raised, TransientError):
                self._hang_up()
            raise raised from error
        except BaseException:
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.close()


def _open(lane: Lane, path: str, access: Access, *, folder: bool | None) -> Handle:
    return lane.open(path, access, _EVERYTHING, Create.NEVER, folder=folder)


def _remove(lane: Lane, path: str) -> None:
    try:
        listing = _open(lane, path, _LISTING, folder=True)
    except FOREIGN as error:
        if status_of(error) != NO_FOLDER:
            raise
        _delete(lane, path)
        return
    entries = list(listing.entries())
    listing.close()
    for entry in entries:
        (_remove if entry.is_folder else _delete)(lane, f"{path}\\{entry.name}")
    _delete(lane, path)


def _delete(lane: Lane, path: str) -> None:
    handle = _open(lane, path, _REMOVING, folder=None)
    try:
        handle.delete()
    finally:
        handle.close()
