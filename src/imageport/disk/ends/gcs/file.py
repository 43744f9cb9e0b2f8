"""Reading an image that is an object of Cloud Storage."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from imageport.disk.base import Extent, ExtentKind
from imageport.disk.ends.errors import ChangedError, NotFoundError, PeerChecksumError
from imageport.disk.ends.gcs.checksum import WholeChecksum
from imageport.disk.ends.gcs.failures import PreconditionError
from imageport.disk.ends.gcs.place import GcsPlace
from imageport.disk.ends.gcs.service import GcsService
from imageport.disk.ends.retry import PATIENCE, RetryBudget
from imageport.disk.remote import RemoteFile


class GcsFile(RemoteFile):
    """An object, pinned to the generation that was live when it was opened.

    The service has a checksum of the whole object only: once every byte was read it is compared,
    and the read that completes the object raises `PeerChecksumError` when it differs.
    """

    workers = 16
    """Each request takes the service tens of milliseconds before its first byte."""

    def __init__(
        self,
        place: GcsPlace,
        *,
        patience: float = PATIENCE,
        cancel: threading.Event | None = None,
    ) -> None:
        """Find the object. Raises `NotFoundError`, `DeniedError`, `UnreachableError`."""
        super().__init__()
        self.place, self.name = place, place.name
        self._patience, self._cancel = patience, cancel
        budget = RetryBudget(self.name, patience=patience, cancel=cancel)
        self._service = GcsService(place, budget)
        try:
            found = self._service.find(place.object)
            if found is None:
                raise NotFoundError(file=self.name, detail="there is no such object")
        except BaseException:
            self._service.close()
            raise
        self._stored = found
        self.size = found.size
        self.fingerprint = f"{self.name}:{found.generation}:{found.size}"
        self.identity = (place.endpoint, place.bucket, place.object, found.generation)
        self._whole = WholeChecksum(found.size)

    def fetch(self, offset: int, view: memoryview) -> None:
        """See `RemoteFile.fetch`."""
        try:
            crc = self._service.read(self._stored, offset, view)
        except (NotFoundError, PreconditionError) as error:
            detail = f"generation {self._stored.generation} is gone"
            raise ChangedError(file=self.name, detail=detail) from error
        whole = self._whole.add(offset, len(view), crc)
        if whole is not None and self._stored.crc32c not in (None, whole):
            detail = "the bytes read are not those that the service has the CRC32C of"
            raise PeerChecksumError(file=self.name, offset=0, detail=detail)

    def stored(self, offset: int, length: int) -> Iterator[Extent]:
        """See `ImageFile.stored`; an object has no holes."""
        if length:
            yield Extent(offset, length, ExtentKind.DATA)

    def beside(self, name: str) -> RemoteFile | None:
        """See `RemoteFile.beside`."""
        place = self.place.beside(name)
        try:
            return GcsFile(place, patience=self._patience, cancel=self._cancel)
        except NotFoundError:
            return None

    def close(self) -> None:
        """See `ImageFile.close`."""
        self._service.close()
