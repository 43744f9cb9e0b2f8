"""The EBS direct APIs as AWS documents them (API reference 2019-11-02, EBS user guide).

Where moto takes anything, this takes what the service takes: whole blocks with their SHA-256,
within the volume, while the snapshot is open; tokens that expire; a right count and checksum.
"""

from __future__ import annotations

import base64
import bisect
import hashlib
import time
from datetime import timedelta
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ebs.responses import EBSResponse
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot as Ec2Snapshot
from moto.ec2.utils import random_snapshot_id

from lab.aws import tokens
from lab.aws.actions import Watched
from lab.aws.faults import Conflict, NotFound, QuotaExceeded, Throttled, ValidationError
from lab.aws.store import BLOCK, Snapshot, Store

_LEAST_PAGE = 100
_STARTED_WITH = (
    "VolumeSize",
    "ParentSnapshotId",
    "Tags",
    "Description",
    "Encrypted",
    "KmsKeyArn",
    "Timeout",
)


class DirectSnapshot(Ec2Snapshot):
    """A snapshot as EC2 shows it: its state is the store's."""

    def __init__(self, stored: Snapshot, **details: Any) -> None:
        self._stored = stored
        super().__init__(**details)

    @property
    def status(self) -> str:
        return self._stored.status

    @status.setter
    def status(self, value: str) -> None:
        pass


class StrictEbs(Watched, EBSResponse):
    """One request. `store` and `settings` are given by a subclass for each server."""

    store: ClassVar[Store]

    def start_snapshot(self) -> ActionResult:
        request = {name: self._get_param(name) for name in _STARTED_WITH}
        self._check_throttle()
        token = self._get_param("ClientToken") or ""
        if token in self.store.started:
            before, id = self.store.started[token]
            if before != request:
                raise Conflict("The client token was used with another request.")
            return ActionResult(self._described(self._find(id), request))
        stored = self._start(request)
        self.store.started[token] = request, stored.id
        return ActionResult(self._described(stored, request))

    def put_snapshot_block(self) -> ActionResult:
        self._check_throttle()
        snapshot = self._find(self._get_param("SnapshotId"))
        block, said = int(self._get_param("BlockIndex")), self._get_param("Checksum")
        data = self._get_param("BlockData")
        data = data.encode("latin-1") if isinstance(data, str) else data
        if not snapshot.open:
            raise ValidationError(f"The snapshot {snapshot.id} is not in the pending state.")
        if not 0 <= block < snapshot.blocks:
            raise ValidationError("The block lies outside of the volume.", "INVALID_BLOCK")
        if int(self._get_param("DataLength")) != BLOCK or len(data) != BLOCK:
            raise ValidationError(f"The data length must be {BLOCK}.", "INVALID_BLOCK")
        self._check_algorithm()
        if said != _encoded(hashlib.sha256(data).digest()):
            raise ValidationError("The checksum does not match the data.", "INVALID_BLOCK")
        snapshot.put(block, data)
        return ActionResult({"Checksum": said, "ChecksumAlgorithm": "SHA256"})

    def complete_snapshot(self) -> ActionResult:
        self._check_throttle()
        snapshot = self._find(self._get_param("SnapshotId"))
        if not snapshot.open:
            raise ValidationError(f"The snapshot {snapshot.id} is not in the pending state.")
        if int(self._get_param("ChangedBlocksCount")) != len(snapshot.digests):
            raise ValidationError("The count of changed blocks is not that of the written blocks.")
        if (said := self._get_param("Checksum")) is not None:
            self._check_algorithm()
            if self._get_param("ChecksumAggregationMethod") != "LINEAR":
                raise ValidationError("The only aggregation method is LINEAR.")
            if said != _encoded(snapshot.linear_checksum()):
                raise ValidationError("The aggregated checksum does not match.")
        snapshot.sealed_at = time.monotonic() + self.settings.seal
        snapshot.failed = self.settings.seal_fails
        return ActionResult({"Status": snapshot.status})

    def list_snapshot_blocks(self) -> ActionResult:
        self._check_throttle()
        snapshot = self._completed(self._get_param("SnapshotId"))
        page, following = self._page(snapshot.held(), snapshot.id)
        blocks = [{"BlockIndex": at, "BlockToken": self._token(snapshot, at)} for at in page]
        return self._listed("Blocks", blocks, snapshot, following)

    def list_changed_blocks(self) -> ActionResult:
        self._check_throttle()
        if self._get_param("FirstSnapshotId") is None:
            raise ValidationError("The first snapshot is missing.")
        first = self._completed(self._get_param("FirstSnapshotId"))
        second = self._completed(self._get_param("SecondSnapshotId"))
        if not {each.id for each in first.chain()} & {each.id for each in second.chain()}:
            raise ValidationError(
                f"{first.id} and {second.id} are not related.", "UNRELATED_SNAPSHOTS"
            )
        either = sorted({*first.held(), *second.held()})
        changed = [at for at in either if first.digest(at) != second.digest(at)]
        page, following = self._page(changed, f"{first.id}:{second.id}")
        blocks = [
            {"BlockIndex": at}
            | ({"FirstBlockToken": self._token(first, at)} if first.owner(at) else {})
            | ({"SecondBlockToken": self._token(second, at)} if second.owner(at) else {})
            for at in page
        ]
        return self._listed("ChangedBlocks", blocks, second, following)

    def get_snapshot_block(self) -> ActionResult:
        self._check_throttle()
        snapshot = self._completed(self._get_param("SnapshotId"))
        block = int(self._get_param("BlockIndex"))
        if not tokens.valid(self._get_param("BlockToken") or "", self._meant(snapshot, block)):
            raise ValidationError("The block token is invalid or expired.", "INVALID_BLOCK_TOKEN")
        data = snapshot.get(block)
        return ActionResult(
            {
                "DataLength": len(data),
                "BlockData": data,
                "Checksum": _encoded(hashlib.sha256(data).digest()),
                "ChecksumAlgorithm": "SHA256",
            }
        )

    def _start(self, request: dict[str, Any]) -> Snapshot:
        gib, timeout = int(request["VolumeSize"]), int(request["Timeout"] or 60)
        parent = self._parent(request, gib)
        if not 1 <= gib <= 65536:
            raise ValidationError("The volume size is out of range.", "INVALID_VOLUME_SIZE")
        if not 10 <= timeout <= 4320:
            raise ValidationError("The timeout is out of range.")
        if request["KmsKeyArn"] and not request["Encrypted"]:
            raise ValidationError("KmsKeyArn needs Encrypted.")
        if sum(each.gib for each in self.store.snapshots.values()) + gib > self.settings.quota_gib:
            raise QuotaExceeded("The snapshot quota is exceeded.")
        key = parent.key if parent else self._key(request)
        stored = self.store.add(random_snapshot_id(), gib, parent, key, timeout * 60.0)
        self._show(stored, request)
        return stored

    def _parent(self, request: dict[str, Any], gib: int) -> Snapshot | None:
        if not request["ParentSnapshotId"]:
            return None
        if request["Encrypted"] is not None or request["KmsKeyArn"]:
            raise ValidationError("Encrypted and ParentSnapshotId cannot be used together.")
        parent = self._completed(request["ParentSnapshotId"])
        if gib < parent.gib:
            raise ValidationError("The volume is smaller than the parent's.", "INVALID_VOLUME_SIZE")
        return parent

    def _key(self, request: dict[str, Any]) -> str | None:
        if not request["Encrypted"] and not self.settings.encrypt_by_default:
            return None
        default = f"arn:aws:kms:{self.region}:{self.current_account}:key/ebs-default"
        return str(request["KmsKeyArn"] or default)

    def _show(self, stored: Snapshot, request: dict[str, Any]) -> None:
        """Let EC2 know the snapshot."""
        ec2 = self._ec2
        volume = ec2.create_volume(size=stored.gib, zone_name=f"{self.region}a")
        # The service has no such volume: moto's snapshots merely need one.
        del ec2.volumes[volume.id]
        shown = DirectSnapshot(
            stored,
            ec2_backend=ec2,
            snapshot_id=stored.id,
            volume=volume,
            description=request["Description"] or "",
            encrypted=stored.key is not None,
            kms_key_id=stored.key,
        )
        shown.add_tags({tag["Key"]: tag["Value"] for tag in request["Tags"] or []})
        ec2.snapshots[stored.id] = shown

    def _described(self, stored: Snapshot, request: dict[str, Any]) -> dict[str, Any]:
        answer = {
            "SnapshotId": stored.id,
            "OwnerId": self.current_account,
            "Status": stored.status,
            "StartTime": utcnow(),
            "VolumeSize": stored.gib,
            "BlockSize": BLOCK,
            "Tags": request["Tags"],
            "Description": request["Description"],
            "ParentSnapshotId": request["ParentSnapshotId"],
            "KmsKeyArn": stored.key,
        }
        return {name: value for name, value in answer.items() if value is not None}

    @property
    def _ec2(self) -> EC2Backend:
        return ec2_backends[self.current_account][self.region]

    def _find(self, id: str) -> Snapshot:
        if id not in self.store.snapshots:
            raise NotFound(f"The snapshot {id} does not exist.")
        return self.store.snapshots[id]

    def _completed(self, id: str) -> Snapshot:
        snapshot = self._find(id)
        if snapshot.status != "completed":
            raise ValidationError(f"The snapshot {id} is not completed.", "INVALID_SNAPSHOT_ID")
        return snapshot

    def _check_throttle(self) -> None:
        if self.settings.throttled():
            raise Throttled("The request rate is above the account's limit.")

    def _check_algorithm(self) -> None:
        if self._get_param("ChecksumAlgorithm") != "SHA256":
            raise ValidationError("The only checksum algorithm is SHA256.")

    def _token(self, snapshot: Snapshot, block: int) -> str:
        return tokens.issue(self._meant(snapshot, block), self.settings.token_life)

    def _meant(self, snapshot: Snapshot, block: int) -> str:
        return f"{snapshot.id}:{block}:{self.settings.generation}"

    def _page(self, blocks: list[int], what: str) -> tuple[list[int], str | None]:
        """The asked-for page of a list, and the token of the one after it."""
        start = int(self._get_param("StartingBlockIndex") or 0)
        if (token := self._get_param("NextToken")) is not None:
            said, _, number = (tokens.redeem(token) or "").rpartition("@")
            if said != what:
                raise ValidationError("The page token is invalid or expired.", "INVALID_PAGE_TOKEN")
            start = int(number)
        most = max(_LEAST_PAGE, int(self._get_param("MaxResults") or self.settings.page))
        most = min(most, self.settings.page)
        first = bisect.bisect_left(blocks, start)
        page, rest = blocks[first : first + most], blocks[first + most :]
        if not rest:
            return page, None
        return page, tokens.issue(f"{what}@{rest[0]}", self.settings.page_life)

    def _listed(
        self, name: str, blocks: list[dict[str, Any]], snapshot: Snapshot, following: str | None
    ) -> ActionResult:
        answer = {
            name: blocks,
            "ExpiryTime": utcnow() + timedelta(seconds=self.settings.token_life),
            "VolumeSize": snapshot.gib,
            "BlockSize": BLOCK,
        }
        return ActionResult(answer | ({"NextToken": following} if following else {}))


def _encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
