"""A folder of a share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from imageport.disk.ends.errors import DeniedError, InUseError, NotFoundError
from imageport.disk.ends.retry import PATIENCE, RetryBudget
from imageport.disk.ends.smb.file import SILENCE, SmbFile
from imageport.disk.ends.smb.lane import READING, Access, Create, Handle, Lane, Login, Share
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.pool import Pool
from imageport.disk.ends.smb.space import free_space
from imageport.disk.ends.smb.status import FOREIGN, NOT_FOUND, status_of
from imageport.disk.ends.smb.target import SmbTarget
from imageport.model.credentials import UsernamePassword

T = TypeVar("T")

_EVERYTHING = Share.READ | Share.WRITE | Share.DELETE
_MOVING = Access.DELETE | Access.READ_ATTRIBUTES | Access.SYNCHRONIZE


class SmbFolder:
    """A folder on an SMB 3 share, or the share itself.

    Its files are not made sparse: Windows attaches no virtual disk that is (0xC03A001A).
    """

    guarded = True

    def __init__(
        self,
        location: SmbLocation,
        credential: UsernamePassword,
        *,
        require_encryption: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        """Nothing is asked of the server yet; the options are as for `SmbFile`."""
        self.location, self.name = location, location.name
        self._credential, self._require = credential, require_encryption
        self._patience = patience

    def address(self, file: str) -> str:
        """See `Folder.address`."""
        return self._place(file).name

    def files(self) -> dict[str, int]:
        """See `Folder.files`."""

        def opener(lane: Lane) -> Handle:
            path = self.location.windows_path
            return lane.open(path, READING, _EVERYTHING, Create.NEVER, folder=True)

        return self._run(self.location, opener, _files)

    def open(self, file: str) -> SmbFile:
        """See `Folder.open`. Raises what `SmbFile` raises."""
        return SmbFile(
            self._place(file),
            self._credential,
            require_encryption=self._require,
            patience=self._patience,
        )

    def target(self, file: str, record: Path, *, resume: bool) -> SmbTarget:
        """See `Folder.target`."""
        return SmbTarget(
            self._place(file),
            self._credential,
            state=record,
            resume=resume,
            overwrite=True,
            sparse=False,
            require_encryption=self._require,
            patience=self._patience,
        )

    def rename(self, old: str, new: str, *, replace: bool) -> None:
        """See `Folder.rename`. Raises `InUseError` for what is renamed or replaced."""
        source, place = self._place(old), self._place(new)
        identity = self._run(source, _opener(source, Access.READ_ATTRIBUTES), _identity)

        def work(handle: Handle) -> None:
            if replace:
                # Samba would replace a file that another client has open.
                _require_unused(handle.lane, place)
            handle.rename(place.windows_path, replace=replace)

        try:
            self._run(source, _opener(source, _MOVING, Share.READ), work)
        except NotFoundError:
            # The answer to the renaming may have been lost, but not the renaming.
            if self._run(place, _opener(place, Access.READ_ATTRIBUTES), _identity) != identity:
                raise
        except DeniedError as error:
            if not replace:
                raise
            detail = "it is in use or write-protected"
            raise InUseError(file=place.name, offset=0, detail=detail) from error

    def remove(self, file: str) -> None:
        """See `Folder.remove`. Raises `InUseError`."""
        place = self._place(file)
        with suppress(NotFoundError):
            self._run(place, _opener(place, _MOVING, Share.NOTHING), Handle.delete)

    def require_unused(self, file: str) -> None:
        """See `Folder.require_unused`: whoever has the file open without sharing it is noticed,
        and so is everyone else."""
        place = self._place(file)
        self._run(place, _opener(place, _MOVING, Share.NOTHING), lambda handle: None)

    def free_space(self) -> int:
        """See `Folder.free_space`."""
        return free_space(
            self.location,
            self._credential,
            require_encryption=self._require,
            patience=self._patience,
        )

    def _place(self, file: str) -> SmbLocation:
        return self.location.within(file)

    def _run(
        self, place: SmbLocation, opener: Callable[[Lane], Handle], work: Callable[[Handle], T]
    ) -> T:
        silence = min(SILENCE, self._patience)
        login = Login(place, self._credential, self._require, silence)
        pool = Pool(login, RetryBudget(place.name, patience=self._patience), opener)
        try:
            return pool.run(work)
        finally:
            pool.close()


def _opener(
    place: SmbLocation, access: Access, share: Share = _EVERYTHING
) -> Callable[[Lane], Handle]:
    return lambda lane: lane.open(place.windows_path, access, share, Create.NEVER)


def _files(handle: Handle) -> dict[str, int]:
    return {entry.name: entry.size for entry in handle.entries() if not entry.is_folder}


def _identity(handle: Handle) -> int:
    return handle.stamp().identity


def _require_unused(lane: Lane, place: SmbLocation) -> None:
    try:
        _opener(place, _MOVING, Share.NOTHING)(lane).close()
    except FOREIGN as error:
        if status_of(error) not in NOT_FOUND:
            raise
