"""Writing a page blob: a new one, the one of a managed disk, or one that is brought up to date."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from azure.core import MatchConditions
from azure.storage.blob import BlobProperties, BlobType

from imageport.disk.base import SECTOR
from imageport.disk.ends.errors import EndError, NotFoundError, RefusedError
from imageport.disk.ends.pageblob.address import BlobAddress
from imageport.disk.ends.pageblob.failures import LeaseLostError
from imageport.disk.ends.pageblob.file import MARK
from imageport.disk.ends.pageblob.lease import Lease
from imageport.disk.ends.pageblob.service import MOST, WORKERS, Options, PageBlob
from imageport.disk.errors import (
    TargetExistsError,
    TargetTooSmallError,
    UnsupportedError,
)
from imageport.disk.kept import keep
from imageport.disk.target import TargetFile
from imageport.model.credentials import AzureSas

T = TypeVar("T")

_log = logging.getLogger(__name__)


class PageBlobTarget(TargetFile):
    """A page blob that becomes the file.

    A new blob is created with the metadata `MARK` and leased; `complete` takes the mark away, and
    `discard` deletes the blob. `state` is a file here that lets a later process go on.

    A managed disk's blob (`existing`) is there already, of a fixed size that includes the VHD's
    footer. It takes neither metadata nor a lease, is never created, resized or deleted: what it
    holds is cleared first, and `discard` leaves in it what was written.

    With `update` a complete blob gets new content in place: nothing is cleared, and what is not
    written keeps its content. `discard` then leaves it marked as incomplete if anything was
    written: it holds a mixture, which only a whole copy with `overwrite` repairs.
    """

    workers = WORKERS

    def __init__(  # noqa: PLR0913  # all but the first two are options, by keyword only
        self,
        address: str,
        sas: AzureSas,
        *,
        state: Path,
        resume: bool = False,
        overwrite: bool = False,
        existing: bool | None = None,
        update: bool = False,
        options: Options | None = None,
    ) -> None:
        """`existing` is told by the address where it is None. `overwrite` replaces a blob."""
        place = BlobAddress.parse(address)
        self._blob = PageBlob(place, sas, options or Options())
        self.name = self._blob.name
        self.record = state.with_name(state.name + ".blocks")
        self._state = state
        self._resume, self._overwrite, self._update = resume, overwrite, update
        self._existing = place.managed_disk if existing is None else existing
        self._id = str(uuid4())
        self._lease: Lease | None = None
        self._size: int | None = None
        """Bytes of the blob; None while there is none."""
        self._begun = self._closed = self._wrote = False

    def existing_size(self) -> int | None:
        """Bytes of the blob that is at the address, None without one. A disk has 512 fewer."""
        found = self._found()
        return found.size if found else None

    def open(self) -> None:
        """See `TargetFile.open`; changes nothing yet.

        Raises `TargetExistsError`, `RefusedError` when another copy to the blob is unfinished,
        and other `EndError`s.
        """
        try:
            self._settle(self._found(), self._earlier())
        except BaseException:
            self.close()
            raise

    def _settle(self, found: BlobProperties | None, earlier: str | None) -> None:
        """Decide whether a blob is made, gone on with or written to as it is."""
        mark = None
        if found is not None:
            if found.blob_type != BlobType.PAGEBLOB:
                raise UnsupportedError(
                    file=self.name, feature=f"a blob of the kind {found.blob_type.value}"
                )
            mark = (found.metadata or {}).get(MARK)
        # A managed disk takes no mark: it is ours when the file here says so.
        ours = found is not None and earlier is not None and (self._existing or mark == earlier)
        if earlier is not None and ours:
            self._id = earlier
        self.resumed = ours and self._resume
        self.zeroed = not (self.resumed or self._update)
        self._replaces = self._overwrite or mark is not None
        if found is None:
            return
        if self._update and mark is not None and not ours:
            detail = "an earlier copy to it has not been finished"
            raise RefusedError(file=self.name, offset=0, detail=detail)
        if self._existing or self._update or self.resumed:
            self._size = found.size
        elif not self._replaces:
            raise TargetExistsError(file=self.name)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """See `TargetFile.write`; whole sectors. A page is durable when the answer is there."""
        view = memoryview(data)
        self._require_whole(offset, len(view))
        for at in range(0, len(view), MOST):
            self._put(offset + at, view[at : at + MOST])

    def _put(self, offset: int, page: memoryview) -> None:
        self._wrote = True
        self._leased(lambda lease: self._blob.put(offset, page, lease))

    def zero(self, offset: int, length: int) -> None:
        """See `TargetFile.zero`: the pages are cleared, which moves no bytes."""
        self._require_whole(offset, length)
        if length:
            self._wrote = True
            self._control(lambda lease: self._blob.sdk.clear_page(offset, length, **_with(lease)))

    def read(self, offset: int, view: memoryview) -> bool:
        """See `TargetFile.read`."""
        if offset + len(view) > (self._size or 0):
            return False
        for at in range(0, len(view), MOST):
            self._blob.get(offset + at, view[at : at + MOST])
        return True

    def truncate(self, size: int) -> None:
        """See `TargetFile.truncate`; a new blob is created when its size is first known."""
        self._require_whole(size, 0)
        if not self._begun:
            if size:
                self._begin(size)
        elif size == 0:
            if not self._update:
                self._clear()
        elif size != self._size:
            self._require_size(size)
            self._control(lambda lease: self._blob.sdk.resize_blob(size, **_with(lease)))
            self._size = size

    def sync(self) -> None:
        """See `TargetFile.sync`: nothing to do, the service answers when a page is durable."""

    def complete(self) -> None:
        """See `TargetFile.complete`: takes the mark away."""
        if not self._existing:
            self._mark(None)
        self._state.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """See `TargetFile.close`; the lease is given back, the mark stays."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None
        self._blob.close()
        self._closed = True

    def discard(self) -> None:
        """See `TargetFile.discard`, and the class for what is left of which kind of blob."""
        if self._closed:
            return
        try:
            if self._update and self._begun and not self._wrote and not self._existing:
                self._mark(None)
            elif not self._existing and not self._update:
                self._delete()
        except EndError as error:
            # Why it is discarded counts more than this.
            _log.warning("An unfinished blob was left behind: %s", error)
        finally:
            self._state.unlink(missing_ok=True)
            self.close()

    def _begin(self, size: int) -> None:
        """Make the blob, or take the one that is there."""
        try:
            if self._size is not None:
                self._require_size(size)
            self._remember()
            if self._size is None:
                self._create(size)
            if not self._existing:
                self._lease = Lease(self._blob, self._id)
            self._begun = True
            if self._update:
                self._mark(self._id)
            elif self._existing and not self.resumed:
                self._clear()
            self.truncate(size)
        except BaseException:
            self.discard()
            raise

    def _create(self, size: int) -> None:
        conditions: dict[str, Any] = {}
        found = self._found()
        if not self._replaces:
            conditions["match_condition"] = MatchConditions.IfMissing
        elif found is not None and found.lease.status == "locked":
            # Passes when a killed process of ours left the lease, and only then.
            conditions["lease"] = self._id
        try:
            self._blob.control(
                lambda: self._blob.sdk.create_page_blob(
                    size, metadata={MARK: self._id}, **conditions
                )
            )
        except TargetExistsError:
            # An attempt whose answer was lost may have made it.
            if not self._is_ours():
                raise
        except LeaseLostError as error:
            raise self._taken(error) from None
        self._size = size

    def _clear(self) -> None:
        """Let a blob that holds something read as zeros."""
        size = self._size or 0
        if size and next(self._blob.ranges(0, size), None) is not None:
            self.zero(0, size)

    def _mark(self, value: str | None) -> None:
        metadata = dict(self._blob.properties().metadata or {})
        metadata.pop(MARK, None)
        if value is not None:
            metadata[MARK] = value
        self._control(lambda lease: self._blob.sdk.set_blob_metadata(metadata, **_with(lease)))

    def _delete(self) -> None:
        with contextlib.suppress(NotFoundError):
            if not self._is_ours():
                return
            try:
                self._control(lambda lease: self._blob.sdk.delete_blob(**_with(lease)), patience=10)
            finally:
                if self._lease is not None:
                    self._lease.forget()

    def _control(
        self, call: Callable[[str | None], object], *, patience: float | None = None
    ) -> None:
        self._leased(lambda lease: self._blob.control(lambda: call(lease), patience=patience))

    def _leased(self, write: Callable[[str | None], T]) -> T:
        if self._size is None:
            feature = "a format whose length is not known at its beginning, on a page blob"
            raise UnsupportedError(file=self.name, feature=feature)
        lease = self._lease
        if lease is not None:
            return lease.run(lambda: write(lease.id))
        try:
            return write(None)
        except LeaseLostError as error:
            raise self._taken(error) from None

    def _found(self) -> BlobProperties | None:
        try:
            return self._blob.properties()
        except NotFoundError:
            if self._existing or self._update:
                raise
            return None

    def _is_ours(self) -> bool:
        found = self._blob.control(self._blob.sdk.get_blob_properties, patience=10)
        return (found.metadata or {}).get(MARK) == self._id

    def _taken(self, error: LeaseLostError) -> RefusedError:
        detail = f"another program writes to it ({error})"
        return RefusedError(file=self.name, offset=0, detail=detail)

    def _require_whole(self, offset: int, length: int) -> None:
        if offset % SECTOR or length % SECTOR:
            feature = f"writing {length} bytes at byte {offset} of a page blob, no whole sectors"
            raise UnsupportedError(file=self.name, feature=feature)

    def _require_size(self, size: int) -> None:
        """A disk's blob has its size, and an old end must not show in the middle of a new disk."""
        has = self._size or 0
        if not (self._existing or self._update) or size == has:
            return
        if size > has:
            raise TargetTooSmallError(file=self.name, size=has, needed=size)
        raise UnsupportedError(file=self.name, feature=f"a file of {size} bytes in {has} bytes")

    def _earlier(self) -> str | None:
        """The id under which an earlier process wrote to this blob."""
        try:
            said = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(said, dict) or said.get("blob") != self.name:
            return None
        return str(said["id"]) if "id" in said else None

    def _remember(self) -> None:
        keep(self._state, [json.dumps({"blob": self.name, "id": self._id}).encode()])


def _with(lease: str | None) -> dict[str, Any]:
    return {"lease": lease} if lease else {}
