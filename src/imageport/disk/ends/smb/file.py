"""Reading an image on a share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from imageport.disk.base import Extent, ExtentKind, merged
from imageport.disk.ends.errors import ChangedError, NotFoundError
from imageport.disk.ends.retry import PATIENCE, RetryBudget
from imageport.disk.ends.smb.lane import READING, Create, Handle, Lane, Login, Share, Stamp
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.pool import Pool
from imageport.disk.ends.smb.status import FOREIGN, TOO_SMALL, UNSUPPORTED, status_of
from imageport.disk.remote import RemoteFile
from imageport.model.credentials import UsernamePassword

WORKERS = 4
"""Threads, each with a connection: while one waits for the server, others encrypt."""
SILENCE = 60.0
"""Seconds without a byte after which a connection is given up."""
_CHECK_EVERY = 2.0
_UNIX_EPOCH = 11_644_473_600
"""Seconds from 1601, where SMB counts from, to 1970."""
_SMALLEST_QUERY = 1 << 20


class SmbFile(RemoteFile):
    """A file on an SMB 3 share. While it is open others may read it, and not write to it."""

    workers = WORKERS
    """How many threads read it fastest."""

    def __init__(  # options, by keyword only
        self,
        location: SmbLocation,
        credential: UsernamePassword,
        *,
        require_encryption: bool = True,
        patience: float = PATIENCE,
        cancel: threading.Event | None = None,
    ) -> None:
        """Open the file, encrypted with SMB 3, or refuse a server that cannot.

        Without `require_encryption`, a server that cannot encrypt is talked to with signatures.
        `patience` is in seconds, see `RetryBudget`. Raises `DeniedError`, `NotFoundError`,
        `InsecureError`, `UnreachableError`, and `RefusedError` when another has it open to write.
        """
        super().__init__()
        self.location, self.name = location, location.name
        self._credential, self._require = credential, require_encryption
        self._patience, self._cancel = patience, cancel
        self._expected: Stamp | None = None
        login = Login(location, credential, require_encryption, min(SILENCE, patience))
        self._pool = Pool(
            login, RetryBudget(self.name, patience=patience, cancel=cancel), self._open
        )
        self._checked = time.monotonic()
        try:
            stamp = self._pool.run(Handle.stamp)
        except BaseException:
            self._pool.close()
            raise
        self.size, self._expected = stamp.size, stamp
        self.modified = max(0, stamp.written // 10_000_000 - _UNIX_EPOCH)
        self.fingerprint = f"{self.name}:{stamp.identity}:{stamp.size}:{stamp.written}"
        self.identity = (
            location.host.lower(),
            location.port,
            location.share.lower(),
            stamp.identity,
        )

    def fetch(self, offset: int, view: memoryview) -> None:
        """See `RemoteFile.fetch`. Raises `ChangedError` when the file is not what was opened."""
        self._pool.run(lambda handle: self._fill(handle, offset, view), offset)

    def stored(self, offset: int, length: int) -> Iterator[Extent]:
        """See `ImageFile.stored`; a server that does not say what is stored stores everything."""
        return merged(self._stored(offset, length))

    def beside(self, name: str) -> SmbFile | None:
        """See `RemoteFile.beside`."""
        try:
            return SmbFile(
                self.location.beside(name),
                self._credential,
                require_encryption=self._require,
                patience=self._patience,
                cancel=self._cancel,
            )
        except NotFoundError:
            return None

    def close(self) -> None:
        """See `ImageFile.close`."""
        self._pool.close()

    def _open(self, lane: Lane) -> Handle:
        handle = lane.open(self.location.windows_path, READING, Share.READ, Create.NEVER)
        self._require_unchanged(handle)
        return handle

    def _fill(self, handle: Handle, offset: int, view: memoryview) -> None:
        if handle.read(offset, view) < len(view):
            raise ChangedError(file=self.name, detail="it has become shorter")
        # No client may write to it, but on Samba what runs at the server itself may. It shows in
        # the size, or in the time when a connection had to be made again.
        now = time.monotonic()
        if now - self._checked > _CHECK_EVERY:
            self._checked = now
            self._require_unchanged(handle)

    def _require_unchanged(self, handle: Handle) -> None:
        if self._expected is not None and handle.stamp() != self._expected:
            raise ChangedError(file=self.name, detail="its size, time or identity is another")

    def _stored(self, offset: int, length: int) -> Iterator[Extent]:
        at, end, step = offset, offset + length, length
        while at < end:
            upto = min(at + step, end)
            try:
                ranges = self._ranges(at, upto - at)
            except _TooManyRangesError:
                step = max((upto - at) // 2, _SMALLEST_QUERY)
                continue
            for start, stop in ranges:
                if start > at:
                    yield Extent(at, start - at, ExtentKind.UNALLOCATED)
                if stop > max(start, at):
                    yield Extent(max(start, at), stop - max(start, at), ExtentKind.DATA)
                at = max(at, stop)
            if upto > at:
                yield Extent(at, upto - at, ExtentKind.UNALLOCATED)
            at = upto

    def _ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        def ask(handle: Handle) -> list[tuple[int, int]]:
            try:
                return list(handle.allocated(offset, length))
            except FOREIGN as error:
                status = status_of(error)
                if status in UNSUPPORTED or (status in TOO_SMALL and length <= _SMALLEST_QUERY):
                    return [(offset, offset + length)]
                if status in TOO_SMALL:
                    raise _TooManyRangesError from error
                raise

        return self._pool.run(ask, offset)


class _TooManyRangesError(Exception):
    """The answer would be too long."""
