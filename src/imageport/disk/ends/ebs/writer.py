"""Writing a disk into a new EBS snapshot."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from imageport.disk.base import GIB, TIB
from imageport.disk.ends.ebs.api import WORKERS, EbsAccount, EbsApi
from imageport.disk.ends.ebs.blocks import whole
from imageport.disk.ends.ebs.pending import Pending, PutBlocks, forget
from imageport.disk.ends.errors import (
    DeniedError,
    EndError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from imageport.disk.errors import CopyCancelledError, UnsupportedError
from imageport.disk.manifest import BLOCK, ZERO_LEAF

MAX_SIZE = 64 * TIB
_ZERO_BLOCK = bytes(BLOCK)
_ABORT_PATIENCE = 30.0
_FIRST_POLL, _LONGEST_POLL = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """What a new snapshot is to be like (StartSnapshot of the EBS direct APIs)."""

    parent: str | None = None
    """A completed snapshot whose blocks the new one has where none are put: the base of a delta."""
    encrypted: bool = False
    kms_key: str | None = None
    """ARN of a key; without one, encryption takes the account's default key."""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    timeout: int = 24 * 60
    """Minutes without a request after which the service gives the unfinished snapshot up."""
    wait: float = 3600.0
    """Seconds to wait until the snapshot is `completed`; 0 leaves as soon as it is sealed."""
    write_zeros: bool = False
    """Put blocks of zeros, too: for a plain snapshot of which encrypted volumes will be made."""


class EbsWriter:
    """A `BlockWriter` of a new snapshot; `snapshot` is its id.

    Blocks that are never put read as zeros on a volume made from a plain snapshot, as the parent's
    where there is one, and as noise where the snapshot is encrypted: `zeroed` says so. A pending
    snapshot cannot be read back: what the service confirmed is recorded beside `state` instead.
    """

    ordered: ClassVar[bool] = False
    workers: ClassVar[int] = WORKERS

    def __init__(  # noqa: PLR0913  # by keyword only
        self,
        account: EbsAccount,
        size: int,
        *,
        state: Path,
        resume: bool = False,
        options: SnapshotOptions | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        """Start a snapshot for a disk of `size` bytes, rounded up to whole GiB.

        `state` is a file that remembers it until it is finished. With `resume`, the snapshot that
        the file remembers is gone on with; without, it is deleted. Raises `DiskError`.
        """
        self.options = options or SnapshotOptions()
        self.name = f"ebs://{account.region}/{state.stem}"
        self.size = -(-size // GIB) * GIB
        self._state, self._record = state, state.with_name(state.name + ".blocks")
        self._account, self._cancel = account, cancel or threading.Event()
        self._api = EbsApi(account, self.name, cancel=self._cancel)
        self._over = False
        self._check(size)
        if self.options.parent:
            self._check_parent(self.options.parent)
        left = Pending.load(state)
        self._resumed = left is not None and resume and self._resumes(left)
        if left is not None and self._resumed:
            self._pending = left
            self._open()
            return
        if left is not None:
            self._discard(left)
        self._begin()

    @property
    def snapshot(self) -> str:
        """The id of the snapshot."""
        return self._pending.snapshot

    @property
    def zeroed(self) -> bool:
        """See `DiskWriter.zeroed`."""
        plain = not self._pending.encrypted and self.options.parent is None
        return plain and not self.options.write_zeros

    def write(self, offset: int, data: memoryview) -> None:
        """See `DiskWriter.write`: whole blocks, but for the last of the source."""
        if offset % BLOCK:
            feature = f"a write at byte {offset} of a snapshot, which has blocks of {BLOCK} bytes"
            raise UnsupportedError(file=self.name, feature=feature)
        for start in range(0, len(data), BLOCK):
            part = whole(data[start : start + BLOCK])
            self._put((offset + start) // BLOCK, part, hashlib.sha256(part).digest())

    def write_block(self, block: int, data: memoryview, leaf: bytes) -> None:
        """See `BlockWriter.write_block`."""
        if not self._blocks.holds(block, leaf):
            self._put(block, whole(data), leaf)

    def holds_block(self, block: int, leaf: bytes) -> bool:
        """See `BlockWriter.holds_block`."""
        return self._blocks.holds(block, leaf)

    def zero(self, offset: int, length: int) -> None:
        """See `DiskWriter.zero` and `BlockWriter`."""
        for block in range(-(-offset // BLOCK), -(-(offset + length) // BLOCK)):
            # A copy that is gone on with zeroes every gap, and here most need nothing.
            if block in self._blocks or not self.zeroed:
                self.write_block(block, memoryview(_ZERO_BLOCK), ZERO_LEAF)

    def finish(self) -> None:
        """Seal the snapshot and wait until it is completed.

        Raises `RefusedError` when the service gives it up, `UnreachableError` after `wait`.
        """
        self._blocks.sync()
        self._seal()
        if self.options.wait:
            self._wait()
        self._end()

    def abort(self) -> None:
        """Delete the snapshot. One that cannot be deleted stays remembered in `state`."""
        if self._over:
            return
        self._over = True
        self._blocks.close()
        # Its own patience, and no cancel: a cancelled copy cleans up, too.
        self._api.close()
        patience = min(self._account.patience, _ABORT_PATIENCE)
        self._api = EbsApi(replace(self._account, patience=patience), self.name)
        # The copy's own error is what must be told; the service gives the snapshot up in time.
        with contextlib.suppress(EndError):
            self._discard(self._pending)

    def restart(self) -> None:
        """See `ResumableWriter.restart`."""
        # Blocks may be there that nobody recorded: only a new snapshot has none.
        if self._resumed or self._blocks.count:
            self._blocks.close()
            self._discard(self._pending)
            self._begin()

    def sync(self) -> None:
        """See `ResumableWriter.sync`: the service has the blocks; record which."""
        self._blocks.sync()

    def suspend(self) -> None:
        """See `ResumableWriter.suspend`."""
        self._over = True
        self._api.close()
        self._blocks.sync()
        self._blocks.close()

    def read_back(self, offset: int, view: memoryview) -> bool:
        """See `ResumableWriter.read_back`: never possible; see `holds_block`."""
        return False

    def _check(self, size: int) -> None:
        options, feature = self.options, ""
        if not 0 < size <= MAX_SIZE:
            feature = f"a snapshot of {size} bytes"
        elif options.parent and (options.encrypted or options.kms_key):
            feature = "a choice of encryption for a snapshot that has a parent, whose own it takes"
        if feature:
            raise UnsupportedError(file=self.name, feature=feature)

    def _check_parent(self, parent: str) -> None:
        """What a child has behind its parent's end must be zeros: it is noise when encrypted."""
        found = self._api.describe(parent)
        if found is None:
            raise NotFoundError(file=self.name, detail=f"the parent {parent}")
        if found.encrypted and found.gib * GIB < self.size:
            feature = f"a larger disk on the encrypted parent {parent}: copy it without a parent"
            raise UnsupportedError(file=self.name, feature=feature)

    def _request(self) -> dict[str, Any]:
        """StartSnapshot's parameters, without the client token."""
        options = self.options
        optional = {
            "ParentSnapshotId": options.parent,
            "Encrypted": True if options.encrypted or options.kms_key else None,
            "KmsKeyArn": options.kms_key,
            "Description": options.description,
            "Tags": [{"Key": key, "Value": value} for key, value in options.tags.items()],
        }
        required = {"VolumeSize": self.size // GIB, "Timeout": options.timeout}
        return required | {name: value for name, value in optional.items() if value}

    def _resumes(self, left: Pending) -> bool:
        """Whether the snapshot that was left is the one wanted here, and still can be finished."""
        if self._request() != {k: v for k, v in left.request.items() if k != "ClientToken"}:
            return False
        if not left.snapshot:
            return True
        found = self._api.describe(left.snapshot)
        if found is None:
            return False
        return found.state == "pending" or (left.sealing and found.state == "completed")

    def _begin(self) -> None:
        """Start a new snapshot."""
        self._resumed = False
        self._pending = Pending(self._request() | {"ClientToken": uuid.uuid4().hex})
        self._open()

    def _open(self) -> None:
        """Start the snapshot unless it is there, and read what is known of it."""
        if not self._pending.snapshot:
            # Remembered before it is asked for: it must not be lost between the two.
            self._pending.save(self._state)
            pending = self._pending
            try:
                pending.snapshot, pending.encrypted = self._api.start(pending.request)
            except (DeniedError, NoSpaceError, NotFoundError, RefusedError):
                # Nothing was started.
                forget(self._state)
                raise
            pending.save(self._state)
        self._blocks = PutBlocks(self._record, self.snapshot, self.size // BLOCK)

    def _put(self, block: int, data: bytes | memoryview, leaf: bytes) -> None:
        self._api.put_block(self.snapshot, block, data, leaf)
        self._blocks.add(block, leaf)

    def _seal(self) -> None:
        again, retries = self._pending.sealing, self._api.retries
        self._pending.sealing = True
        self._pending.save(self._state)
        try:
            self._api.complete(self.snapshot, self._blocks.count, self._blocks.linear_checksum())
        except RefusedError:
            # Sealed by an earlier process, or by a request whose answer was lost?
            found = self._api.describe(self.snapshot)
            again = again or self._api.retries > retries
            if found is None or not (found.state == "completed" or again):
                raise

    def _wait(self) -> None:
        """Until the snapshot is completed."""
        started, pause = time.monotonic(), _FIRST_POLL
        while True:
            found = self._api.describe(self.snapshot)
            if found is not None and found.state == "completed":
                return
            if found is None or found.state != "pending":
                detail = f"the snapshot failed: {found.reason or found.state}" if found else "gone"
                raise RefusedError(file=self.name, offset=0, detail=detail)
            waited = time.monotonic() - started
            if waited + pause > self.options.wait:
                detail = f"{self.snapshot} is still being completed"
                raise UnreachableError(file=self.name, seconds=round(waited), detail=detail)
            if self._cancel.wait(pause):
                raise CopyCancelledError(file=self.name)
            pause = min(pause * 1.5, _LONGEST_POLL)

    def _discard(self, left: Pending) -> None:
        """Delete a snapshot that will not be finished, and forget it."""
        if snapshot := left.snapshot or self._unnamed(left):
            self._api.delete(snapshot)
        forget(self._record, self._state)

    def _unnamed(self, left: Pending) -> str:
        """The snapshot that was perhaps started before its id was written down; empty for none."""
        try:
            return self._api.start(left.request)[0]
        except (NotFoundError, RefusedError):
            return ""

    def _end(self) -> None:
        self._over = True
        self._api.close()
        self._blocks.remove()
        forget(self._state)
