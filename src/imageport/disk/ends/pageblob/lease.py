"""The lease that keeps others from writing to a blob while we do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from azure.storage.blob import BlobLeaseClient

from imageport.disk.ends.errors import EndError, RefusedError
from imageport.disk.ends.pageblob.failures import LeaseLostError
from imageport.disk.ends.pageblob.service import PageBlob

T = TypeVar("T")

SECONDS = 60
"""The longest lease that ends by itself ("Lease Blob"): a killed process locks no blob for good."""
_RENEW_EVERY = 20.0


class Lease:
    """A lease of a known id, renewed until it is released. Methods raise `EndError`."""

    def __init__(self, blob: PageBlob, lease_id: str) -> None:
        """Take the lease; one of this id, which a killed process left, is gone on with."""
        self.id = lease_id
        self._blob = blob
        self._client = BlobLeaseClient(blob.sdk, lease_id)
        self._released = threading.Event()
        self._lock = threading.Lock()
        try:
            blob.control(lambda: self._client.acquire(lease_duration=SECONDS))
        except LeaseLostError as error:
            raise self._taken(error) from None
        threading.Thread(target=self._keep, name="lease", daemon=True).start()

    def run(self, write: Callable[[], T]) -> T:
        """The result of `write`, which needs the lease; one that has ended is renewed."""
        try:
            return write()
        except LeaseLostError:
            self._renew()
        try:
            return write()
        except LeaseLostError as error:
            raise self._taken(error) from None

    def release(self) -> None:
        """Give the lease back; safe to repeat. When that fails it ends by itself."""
        if not self._released.is_set():
            self._released.set()
            with contextlib.suppress(EndError, LeaseLostError):
                self._blob.control(self._client.release, patience=5)

    def forget(self) -> None:
        """Renew no more: the blob is gone."""
        self._released.set()

    def _keep(self) -> None:
        while not self._released.wait(_RENEW_EVERY):
            # A renewal that fails shows in the next write, which says why.
            with contextlib.suppress(EndError):
                self._renew()

    def _renew(self) -> None:
        with self._lock:
            if self._released.is_set():
                return
            try:
                # Refused when somebody wrote to the blob since the lease ended.
                self._blob.control(self._client.renew)
            except LeaseLostError as error:
                raise self._taken(error) from None

    def _taken(self, error: LeaseLostError) -> RefusedError:
        detail = f"another program writes to it ({error})"
        return RefusedError(file=self._blob.name, offset=0, detail=detail)
