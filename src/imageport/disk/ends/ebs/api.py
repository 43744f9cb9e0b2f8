"""The requests that reading and writing a snapshot need.

Source: Amazon EBS API reference (EBS direct APIs 2019-11-02): StartSnapshot, PutSnapshotBlock,
CompleteSnapshot, ListSnapshotBlocks, ListChangedBlocks, GetSnapshotBlock. Amazon EC2 API reference:
DescribeSnapshots, DeleteSnapshot.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.httpsession import get_cert_path

from imageport.disk.ends.ebs.blocks import Blocks
from imageport.disk.ends.ebs.errors import SDK_ERRORS, StaleTokenError, judged
from imageport.disk.ends.errors import NotFoundError, PeerChecksumError, RefusedError
from imageport.disk.ends.retry import PATIENCE, RetryBudget
from imageport.disk.manifest import BLOCK
from imageport.model.credentials import AwsKey

T = TypeVar("T")

WORKERS = 16
"""Threads that keep a snapshot busy: a block takes tens of milliseconds each way."""
_TIMEOUT = 60.0
_PAGE = 10_000
"""Blocks of one page: the most that the service gives."""
_CORRUPTED_TRIES = 3


@dataclass(frozen=True, slots=True)
class EbsAccount:
    """Where snapshots are, and by whose right. `patience` is in seconds.

    `endpoint` and `ec2_endpoint` are URLs that replace the region's own (a VPC endpoint, a lab);
    `ca` is a file of certificates that replaces the ones otherwise trusted.
    """

    region: str
    key: AwsKey
    endpoint: str | None = None
    ec2_endpoint: str | None = None
    ca: Path | None = None
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """What EC2 says of a snapshot."""

    state: str
    """`pending`, `completed`, `error`, ..."""
    reason: str
    gib: int
    encrypted: bool


class EbsApi:
    """The requests of one end, by any thread; each raises `EndError` or `CopyCancelledError`."""

    def __init__(
        self, account: EbsAccount, name: str, *, cancel: threading.Event | None = None
    ) -> None:
        """`name` is what errors call the end. Raises `RefusedError` for an address that is none."""
        self.name = name
        self._budget = RetryBudget(name, patience=account.patience, cancel=cancel)
        try:
            self._ebs = sdk_client("ebs", account, account.endpoint)
            trusted = Path(get_cert_path(_verify(account)))
            self._blocks = Blocks(self._ebs, account.key, trusted, *_timeouts(account))
        except OSError as error:
            detail = f"no certificates can be read ({error.strerror or error})"
            raise RefusedError(file=name, offset=0, detail=detail) from None
        except SDK_ERRORS as error:
            raise judged(error, name, 0) from None
        self._account = account

    @functools.cached_property
    def _ec2(self) -> Any:
        # Made when it is needed, which in most copies is late: it takes half a second.
        return sdk_client("ec2", self._account, self._account.ec2_endpoint)

    def close(self) -> None:
        """Close idle connections; safe to repeat."""
        self._blocks.close()

    @property
    def retries(self) -> int:
        """How many requests had to be repeated so far."""
        return self._budget.retries

    def start(self, request: dict[str, Any]) -> tuple[str, bool]:
        """Start a snapshot, once for one `ClientToken`; (its id, whether it is encrypted)."""
        answer = self._run(functools.partial(self._ebs.start_snapshot, **request))
        # The account may encrypt what was not asked to be.
        keyed = bool(answer.get("KmsKeyArn")) or answer.get("SseType", "none") != "none"
        return str(answer["SnapshotId"]), keyed or bool(request.get("Encrypted"))

    def put_block(self, snapshot: str, block: int, data: bytes | memoryview, leaf: bytes) -> None:
        """Store a whole block, whose SHA-256 is `leaf`.

        Raises `PeerChecksumError` when it does not arrive as it was sent.
        """
        checksum = base64.b64encode(leaf).decode()
        send = functools.partial(self._blocks.put, snapshot, block, data, checksum)
        detail = ""
        for _ in range(_CORRUPTED_TRIES):
            try:
                confirmed = self._run(send, block * BLOCK)
            except RefusedError as error:
                # The reference does not say how a block that was damaged on its way is refused.
                detail = str(error.data["detail"])
                if "checksum" not in detail.lower():
                    raise
            else:
                if confirmed in (None, checksum):
                    return
                detail = "the service confirms another block"
        raise PeerChecksumError(file=self.name, offset=block * BLOCK, detail=detail)

    def complete(self, snapshot: str, count: int, checksum: bytes) -> None:
        """Seal the snapshot: `count` blocks were put, with this linear checksum."""
        self._run(
            functools.partial(
                self._ebs.complete_snapshot,
                SnapshotId=snapshot,
                ChangedBlocksCount=count,
                Checksum=base64.b64encode(checksum).decode(),
                ChecksumAlgorithm="SHA256",
                ChecksumAggregationMethod="LINEAR",
            )
        )

    def volume_size(self, snapshot: str) -> int:
        """The size in GiB of the snapshot's volume, from the first page of its list."""
        answer = self._run(
            functools.partial(self._ebs.list_snapshot_blocks, SnapshotId=snapshot, MaxResults=100)
        )
        return int(answer["VolumeSize"])

    def list_blocks(self, snapshot: str, start: int = 0) -> Iterator[list[dict[str, Any]]]:
        """Pages of `BlockIndex` and `BlockToken` of the blocks that are there, from `start` on."""
        ask = functools.partial(self._ebs.list_snapshot_blocks, SnapshotId=snapshot)
        return self._pages(ask, "Blocks", start)

    def list_changed(self, first: str, second: str) -> Iterator[list[dict[str, Any]]]:
        """Pages of the blocks that differ between two snapshots of one lineage."""
        ask = functools.partial(
            self._ebs.list_changed_blocks, FirstSnapshotId=first, SecondSnapshotId=second
        )
        return self._pages(ask, "ChangedBlocks", 0)

    def get_block(self, snapshot: str, block: int, token: str) -> bytes:
        """A block. Raises `StaleTokenError`, and `PeerChecksumError` when it arrives damaged."""
        fetch = functools.partial(self._blocks.get, snapshot, block, token)
        for _ in range(_CORRUPTED_TRIES):
            data, checksum = self._run(fetch, block * BLOCK)
            if base64.b64encode(hashlib.sha256(data).digest()).decode() == checksum:
                return data
        raise PeerChecksumError(
            file=self.name, offset=block * BLOCK, detail="the block is not what its checksum says"
        )

    def describe(self, snapshot: str) -> SnapshotState | None:
        """What state a snapshot is in; None when there is none of this name."""
        try:
            answer = self._run(lambda: self._ec2.describe_snapshots(SnapshotIds=[snapshot]))
        except NotFoundError:
            return None
        found = answer["Snapshots"][0]
        return SnapshotState(
            str(found["State"]),
            str(found.get("StateMessage", "")),
            int(found["VolumeSize"]),
            bool(found["Encrypted"]),
        )

    def delete(self, snapshot: str) -> None:
        """Delete a snapshot, also an unfinished one; one that is gone is no error."""
        try:
            self._run(lambda: self._ec2.delete_snapshot(SnapshotId=snapshot))
        except NotFoundError:
            return

    def _pages(
        self, ask: Callable[..., dict[str, Any]], key: str, start: int
    ) -> Iterator[list[dict[str, Any]]]:
        token: str | None = None
        while True:
            where: dict[str, Any] = {"NextToken": token} if token else {"StartingBlockIndex": start}
            try:
                answer = self._run(functools.partial(ask, MaxResults=_PAGE, **where))
            except StaleTokenError:
                # Page tokens live an hour, and a page's blocks may take longer.
                token = None
                continue
            # A page may be empty and yet have one after it.
            if page := answer.get(key, []):
                start = page[-1]["BlockIndex"] + 1
                yield page
            token = answer.get("NextToken")
            if not token:
                return

    def _run(self, send: Callable[[], T], offset: int = 0) -> T:
        def attempt() -> T:
            try:
                return send()
            except SDK_ERRORS as error:
                raise judged(error, self.name, offset) from None

        return self._budget.run(attempt)


def sdk_client(service: str, account: EbsAccount, endpoint: str | None) -> Any:
    """A client of the SDK, without its own retries. Raises what is in `SDK_ERRORS`."""
    session = boto3.session.Session(
        aws_access_key_id=account.key.access_key_id,
        aws_secret_access_key=account.key.secret_access_key,
        aws_session_token=account.key.session_token,
        region_name=account.region,
    )
    read, connect = _timeouts(account)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=WORKERS,
        connect_timeout=connect,
        read_timeout=read,
    )
    verify = _verify(account)
    return session.client(service, endpoint_url=endpoint, config=config, verify=verify)


def _verify(account: EbsAccount) -> str | bool:
    # Given outright, since the SDK stumbles over an empty AWS_CA_BUNDLE.
    return str(account.ca) if account.ca else os.environ.get("AWS_CA_BUNDLE") or True


def _timeouts(account: EbsAccount) -> tuple[float, float]:
    """Seconds that an answer and a connection may take."""
    return min(_TIMEOUT, account.patience / 2), min(10.0, account.patience / 2)
