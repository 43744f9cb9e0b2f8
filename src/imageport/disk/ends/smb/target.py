"""Writing an image to a share: under another name until it is complete."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path, PurePosixPath

from imageport.disk.base import KIB, ZEROS
from imageport.disk.ends.errors import DeniedError, EndError, NotFoundError, RefusedError
from imageport.disk.ends.retry import PATIENCE, RetryBudget
from imageport.disk.ends.smb.file import SILENCE, WORKERS
from imageport.disk.ends.smb.lane import WRITING, Access, Create, Handle, Lane, Login, Share
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.pool import Pool
from imageport.disk.ends.smb.status import FOREIGN, NOT_FOUND, UNSUPPORTED, status_of
from imageport.disk.errors import TargetExistsError
from imageport.disk.target import TargetFile
from imageport.model.credentials import UsernamePassword

SUFFIX = ".partial"
_WINDOWS_DISKS = frozenset({".vhd", ".vhdx", ".avhd", ".avhdx"})
"""Windows attaches none of them that is a sparse file, wherever it lies."""
_SMALLEST_HOLE = 64 * KIB
_DISCARD_PATIENCE = 5.0
"""Seconds: whoever gives up a copy does not want to wait for a server that is gone."""
_EVERYTHING = Share.READ | Share.WRITE | Share.DELETE


class SmbTarget(TargetFile):
    """`NAME.partial` on the share, which `complete` gives its name.

    One handle owns the partial file: a second process that would write to it is refused. Each
    thread that writes has a connection and a handle of its own besides.
    """

    workers = WORKERS
    """How many threads write it fastest."""

    def __init__(  # noqa: PLR0913  # options, by keyword only
        self,
        location: SmbLocation,
        credential: UsernamePassword,
        *,
        state: Path,
        resume: bool = False,
        overwrite: bool = False,
        sparse: bool | None = None,
        require_encryption: bool = True,
        patience: float = PATIENCE,
        cancel: threading.Event | None = None,
    ) -> None:
        """Nothing is asked of the server before `open`.

        `state` is the file here in which a format keeps what it needs to be resumed (`record`).
        With `resume`, a partial file that is there is gone on with. With `overwrite`, a file that
        has the name already is replaced at completion, not before. Unless it is `sparse`, zeros
        take room at the server; None is what the file's name suits. `require_encryption` and
        `patience` are as for `SmbFile`.
        """
        self.location, self.name, self.record = location, location.name, state
        self._resume, self._overwrite = resume, overwrite
        plain = PurePosixPath(location.path).suffix.lower() in _WINDOWS_DISKS
        self._sparse = not plain if sparse is None else sparse
        self._path = location.windows_path
        self._partial = self._path + SUFFIX
        self._login = Login(location, credential, require_encryption, min(SILENCE, patience))
        self._patience = patience
        budget = RetryBudget(self.name, patience=patience, cancel=cancel)
        self._owner = Pool(self._login, budget, self._open_owner)
        self._lanes = Pool(self._login, budget, self._open_lane)
        self._owning = threading.Lock()
        self._identity: int | None = None
        self._size = 0
        self._lock = threading.Lock()
        self._punches = True

    def open(self) -> None:
        """See `TargetFile.open`.

        Raises `TargetExistsError`, `RefusedError` when the target or the partial file is in use,
        and what `SmbFile` raises.
        """
        try:
            with self._owning:
                self._owner.run(self._begin)
        except BaseException:
            if self.resumed:
                self.close()
            else:
                self.discard()
            raise

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """See `TargetFile.write`. Ranges of zeros within the file are not sent."""
        view = memoryview(data)
        end = offset + len(view)
        if self._punches and end <= self._size and _is_hole(data):
            self._lanes.run(lambda handle: self._zero(handle, offset, view), offset)
            return
        self._lanes.run(lambda handle: handle.write(offset, view), offset)
        with self._lock:
            self._size = max(self._size, end)

    def read(self, offset: int, view: memoryview) -> bool:
        """See `TargetFile.read`."""
        return self._lanes.run(lambda handle: handle.read(offset, view) == len(view), offset)

    def truncate(self, size: int) -> None:
        """See `TargetFile.truncate`."""
        with self._owning:
            self._owner.run(lambda handle: handle.set_size(size), size)
        with self._lock:
            self._size = size

    def sync(self) -> None:
        """See `TargetFile.sync`."""
        with self._owning:
            self._owner.run(Handle.flush)

    def complete(self) -> None:
        """See `TargetFile.complete`. Raises `RefusedError` when what it replaces is in use."""
        self.sync()
        self._lanes.close()
        with self._owning:
            try:
                self._owner.run(self._rename)
            except NotFoundError:
                # The answer to the renaming may have been lost, but not the renaming.
                if not self._has_its_name():
                    raise
            except DeniedError as error:
                if not self._overwrite:
                    raise
                detail = "the file that it replaces is in use or write-protected"
                raise RefusedError(file=self.name, offset=0, detail=detail) from error
            self._identity = None
        self.close()

    def close(self) -> None:
        """See `TargetFile.close`."""
        self._lanes.close()
        self._owner.close()

    def discard(self) -> None:
        """See `TargetFile.discard`. A partial file on a server that is gone stays there."""
        self._lanes.close()
        if self._identity is not None:
            self._owner.close()
            budget = RetryBudget(self.name, patience=min(self._patience, _DISCARD_PATIENCE))
            remover = Pool(self._login, budget, self._open_owner)
            # The error that led here says more than one about tidying up would.
            with suppress(EndError):
                remover.run(Handle.delete)
            remover.close()
            self._identity = None
        self._owner.close()

    def _begin(self, handle: Handle) -> None:
        stamp = handle.stamp()
        if self._identity is None:
            # Not when this is repeated after the connection broke: then we made the file.
            self.resumed = self._resume and not handle.created
        self._identity, self._size = stamp.identity, stamp.size
        self._make_sparse(handle)

    def _rename(self, handle: Handle) -> None:
        if self._overwrite:
            # Samba would replace a file that another client has open.
            self._require_free_name(handle.lane)
        handle.rename(self._path, replace=self._overwrite)
        # Samba forgets the attribute here, and would call every hole data.
        self._make_sparse(handle)

    def _open_owner(self, lane: Lane) -> Handle:
        """The handle that may rename and delete; nobody else can have one at the same time."""
        create = Create.NEVER
        if self._identity is None:
            self._require_free_name(lane)
            create = Create.IF_MISSING if self._resume else Create.ANEW
        share = Share.READ | Share.WRITE
        return self._checked(lane.open(self._partial, WRITING | Access.DELETE, share, create))

    def _open_lane(self, lane: Lane) -> Handle:
        return self._checked(lane.open(self._partial, WRITING, _EVERYTHING, Create.NEVER))

    def _checked(self, handle: Handle) -> Handle:
        if self._identity is not None and handle.stamp().identity != self._identity:
            detail = "another file has taken the place of its unfinished one"
            raise RefusedError(file=self.name, offset=0, detail=detail)
        return handle

    def _require_free_name(self, lane: Lane) -> None:
        # A file that is to be replaced must not be in use: better said now than hours later.
        access = Access.DELETE if self._overwrite else Access.READ_ATTRIBUTES
        share = Share.NOTHING if self._overwrite else _EVERYTHING
        try:
            lane.open(self._path, access, share, Create.NEVER).close()
        except FOREIGN as error:
            if status_of(error) not in NOT_FOUND:
                raise
        else:
            if not self._overwrite:
                raise TargetExistsError(file=self.name)

    def _make_sparse(self, handle: Handle) -> None:
        if not self._sparse:
            return
        try:
            handle.make_sparse()
        except FOREIGN as error:
            if status_of(error) not in UNSUPPORTED:
                raise

    def _zero(self, handle: Handle, offset: int, view: memoryview) -> None:
        try:
            handle.zero(offset, len(view))
        except FOREIGN as error:
            if status_of(error) not in UNSUPPORTED:
                raise
            self._punches = False
            handle.write(offset, view)

    def _has_its_name(self) -> bool:
        budget = RetryBudget(self.name, patience=self._patience)
        access, path = Access.READ_ATTRIBUTES, self._path
        pool = Pool(
            self._login, budget, lambda lane: lane.open(path, access, _EVERYTHING, Create.NEVER)
        )
        try:
            return pool.run(Handle.stamp).identity == self._identity
        except NotFoundError:
            return False
        finally:
            pool.close()


def _is_hole(data: bytes | memoryview) -> bool:
    # Whoever writes zeros has them as bytes. Views are data, and slow to compare.
    return isinstance(data, bytes) and len(data) >= _SMALLEST_HOLE and _is_zero(data)


def _is_zero(data: bytes) -> bool:
    return not data.strip(b"\0") if len(data) > len(ZEROS) else data == ZEROS[: len(data)]
