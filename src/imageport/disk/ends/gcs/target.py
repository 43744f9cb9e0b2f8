"""Writing a stream, such as Google Cloud's image archive, to an object of Cloud Storage."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path

from imageport.disk.base import MIB
from imageport.disk.ends.errors import EndError
from imageport.disk.ends.gcs.composite import CompositeUpload
from imageport.disk.ends.gcs.parts import Parts
from imageport.disk.ends.gcs.place import GcsPlace
from imageport.disk.ends.gcs.resumable import ResumableUpload
from imageport.disk.ends.gcs.service import CHUNK_UNIT, GcsService
from imageport.disk.ends.gcs.state import UploadState
from imageport.disk.ends.gcs.upload import Upload, UploadJob
from imageport.disk.ends.retry import PATIENCE, RetryBudget
from imageport.disk.errors import CopyCancelledError, UnsupportedError, UnwritableError
from imageport.disk.target import TargetFile
from imageport.disk.workers import default_workers

PART = 8 * MIB
"""Bytes of a component or of a part of a resumable upload."""
SENDERS = 5
"""Components on their way at once; with the one being filled, they are the memory in use."""
_CLEANING = 20.0
"""Seconds of patience with a peer that does not answer while an upload is discarded."""


class GcsMethod(StrEnum):
    """How the bytes get there."""

    COMPOSITE = "composite"
    """Several components side by side; needs the rights to create, get, list and delete objects.

    A bucket with soft delete keeps, and bills, deleted components for its time; one with a
    retention policy does not let them be deleted at all: choose the other way there.
    """
    RESUMABLE = "resumable"
    """One session; needs the rights to create and get objects."""


class GcsTarget(TargetFile):
    """A new object, written front to back.

    After a kill, the same stream written to a target with the same `state` and `source` sends only
    what the service does not have: components are compared by size, CRC32C and MD5, a session is
    asked how far it is. `discard` leaves nothing on the service; where it does not answer, the
    state stays, and the next upload with it goes on with what is left.
    """

    sequential = True

    def __init__(  # noqa: PLR0913  # all but the first are options, by keyword only
        self,
        place: GcsPlace,
        *,
        state: Path,
        source: str = "",
        overwrite: bool = False,
        method: GcsMethod = GcsMethod.COMPOSITE,
        part: int = PART,
        senders: int = SENDERS,
        patience: float = PATIENCE,
        cancel: threading.Event | None = None,
    ) -> None:
        """Nothing is asked of the service before `open`.

        `state` is a file here that finds the upload again (0600, removed at the end). `source` is
        the fingerprint of what is written: the state of another is cleared, not gone on with.
        `overwrite` replaces the object that bears the name, at the moment of completion. `part` is
        in bytes, a multiple of 256 KiB.
        """
        if part <= 0 or part % CHUNK_UNIT:
            raise UnsupportedError(file=place.name, feature=f"parts of {part} bytes")
        self.name, self.record = place.name, state
        self.workers = default_workers()
        self._patience = patience
        self._stopped = threading.Event()
        budget = RetryBudget(self.name, patience=patience, cancel=self._stopped)
        self._service = GcsService(place, budget)
        job = UploadJob(self._service, UploadState(state, place, method, source), overwrite)
        self._upload: Upload = (
            CompositeUpload(job, senders, cancel)
            if method is GcsMethod.COMPOSITE
            else ResumableUpload(job, cancel)
        )
        self._parts = Parts(part)
        self._at = 0
        self._open = self._done = False

    def open(self) -> None:
        """See `TargetFile.open`. Raises `TargetExistsError` and `EndError`."""
        try:
            self._upload.open()
        except BaseException:
            self.close()
            raise
        self._open = True

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """See `TargetFile.write`; raises what sending earlier data came to."""
        if self._stopped.is_set():
            raise CopyCancelledError(file=self.name)
        if offset != self._at:
            detail = f"the stream is at byte {self._at}"
            raise UnwritableError(file=self.name, offset=offset, detail=detail)
        self._at += len(data)
        for part in self._parts.add(bytes(data)):
            self._upload.send(part)

    def read(self, offset: int, view: memoryview) -> bool:
        """See `TargetFile.read`: nothing can be read before the object is complete."""
        return False

    def truncate(self, size: int) -> None:
        """See `TargetFile.truncate`. Raises `UnsupportedError` for any other length."""
        if size != self._at:
            raise UnsupportedError(file=self.name, feature="changing the length of a stream")

    def sync(self) -> None:
        """See `TargetFile.sync`: what the service has confirmed is durable."""

    def complete(self) -> None:
        """See `TargetFile.complete`. Raises `EndError`, too."""
        self._upload.finish(self._parts.rest(), self._parts)
        self._done = True
        self.close()

    def close(self) -> None:
        """See `TargetFile.close`: what was sent is left to be gone on with."""
        self._stopped.set()
        self._upload.stop()
        self._service.close()

    def discard(self) -> None:
        """See `TargetFile.discard`."""
        self.close()
        if not self._open or self._done:
            return
        self._open = False
        # The budget of the upload was cancelled with it.
        self._service.budget = RetryBudget(self.name, patience=min(self._patience, _CLEANING))
        try:
            self._upload.discard()
        except EndError:
            # Why the upload failed is worth more to the caller; the state still finds the rest.
            return
        finally:
            self._service.close()
