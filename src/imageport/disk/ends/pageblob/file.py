"""Reading a page blob as the file it is."""

from __future__ import annotations

from collections.abc import Iterator

from azure.core import MatchConditions
from azure.storage.blob import BlobType

from imageport.disk.base import SECTOR, Extent, ExtentKind
from imageport.disk.ends.errors import NotFoundError
from imageport.disk.ends.pageblob.address import BlobAddress
from imageport.disk.ends.pageblob.service import MOST, WORKERS, Options, PageBlob
from imageport.disk.errors import NotADiskError, UnsupportedError
from imageport.disk.remote import RemoteFile
from imageport.model.credentials import AzureSas

MARK = "imageport_incomplete"
"""Name of the metadata that a blob has until what is written to it is complete."""


class PageBlobFile(RemoteFile):
    """A page blob, or a managed disk or snapshot by its signed address (access level Read).

    A blob that is written to after it was opened is not read any further: `ChangedError`.
    """

    workers = WORKERS

    def __init__(
        self,
        address: str,
        sas: AzureSas,
        *,
        options: Options | None = None,
        snapshot: str | None = None,
    ) -> None:
        """Open the blob at `address`, or its snapshot of the time stamp `snapshot`.

        Raises `EndError`, and `NotADiskError` when a copy to it was not finished.
        """
        super().__init__()
        self._sas, self._options = sas, options or Options()
        self._address = BlobAddress.parse(address)
        self._blob = PageBlob(self._address, sas, self._options, snapshot)
        self.name = self._blob.name
        try:
            found = self._blob.properties()
            if found.blob_type != BlobType.PAGEBLOB:
                raise UnsupportedError(
                    file=self.name, feature=f"a blob of the kind {found.blob_type.value}"
                )
            if MARK in (found.metadata or {}):
                raise NotADiskError(file=self.name, detail="a copy to it has not been finished")
        except BaseException:
            self._blob.close()
            raise
        self.size, self._etag = found.size, found.etag
        self.fingerprint = f"{self.name}:{self.size}:{self._etag}"
        self.identity = ("pageblob", self.name)

    def fetch(self, offset: int, view: memoryview) -> None:
        """See `RemoteFile.fetch`."""
        for at in range(0, len(view), MOST):
            self._blob.get(offset + at, view[at : at + MOST], self._etag)

    def stored(self, offset: int, length: int) -> Iterator[Extent]:
        """See `ImageFile.stored`: pages that were never written or were cleared are no data."""
        at, end = offset, offset + length
        for start, stop in self._ranges(offset, end):
            start, stop = max(start, at), min(stop, end)  # noqa: PLW2901  # cut to what was asked
            if start >= stop:
                continue
            if start > at:
                yield Extent(at, start - at, ExtentKind.UNALLOCATED)
            yield Extent(start, stop - start, ExtentKind.DATA)
            at = stop
        if at < end:
            yield Extent(at, end - at, ExtentKind.UNALLOCATED)

    def beside(self, name: str) -> RemoteFile | None:
        """See `RemoteFile.beside`; a signature for one blob opens no other."""
        if self._blob.grant.resource != "c":
            return None
        address = str(self._address.beside(name))
        try:
            return PageBlobFile(address, self._sas, options=self._options)
        except NotFoundError:
            return None

    def close(self) -> None:
        """See `ImageFile.close`."""
        self._blob.close()

    def _ranges(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        # The service wants whole pages.
        first, last = start // SECTOR * SECTOR, min(-(-end // SECTOR) * SECTOR, self.size)
        if first >= last:
            return
        yield from self._blob.ranges(
            first, last - first, etag=self._etag, match_condition=MatchConditions.IfNotModified
        )
