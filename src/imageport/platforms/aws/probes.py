"""Whether an action is allowed, asked in a way that changes nothing.

EC2 has `DryRun`. The EBS direct APIs have nothing like it: they are asked about a snapshot that
does not exist. "Not there" counts as allowed: that permission is judged first is assumed, and was
never tried at AWS itself.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from imageport.disk.ends.retry import TransientError
from imageport.disk.manifest import BLOCK
from imageport.platforms.aws.api import AwsApi

_NOWHERE = "snap-00000000000000000"
_ALLOWED = frozenset({"DryRunOperation", "ResourceNotFoundException", "ValidationException"})
_DENIED = frozenset({"UnauthorizedOperation", "AccessDeniedException", "AccessDenied"})


class Verdict(StrEnum):
    """What is known of an action."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


def probe(api: AwsApi, action: str, snapshot: str | None = None) -> tuple[Verdict, str]:
    """Ask about an action, of reading about `snapshot`; and the peer's own word."""
    send = _probes(api, snapshot or _NOWHERE)[action]

    def attempt() -> tuple[Verdict, str]:
        try:
            send()
        except ClientError as error:
            return _judged(error)
        return Verdict.ALLOWED, "it was answered"

    return api.run(attempt)


def _probes(api: AwsApi, snapshot: str) -> dict[str, Callable[[], Any]]:
    ebs, ec2 = api.ebs, api.ec2
    digest = base64.b64encode(hashlib.sha256(bytes(BLOCK)).digest()).decode()
    tags = [{"Key": "imageport-job", "Value": "dry-run"}]
    return {
        "ec2:DescribeSnapshots": lambda: ec2.describe_snapshots(OwnerIds=["self"], DryRun=True),
        "ec2:DeleteSnapshot": lambda: ec2.delete_snapshot(SnapshotId=_NOWHERE, DryRun=True),
        "ec2:CreateTags": lambda: ec2.create_tags(Resources=[_NOWHERE], Tags=tags, DryRun=True),
        # A child of nothing is never begun.
        "ebs:StartSnapshot": lambda: ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=_NOWHERE),
        "ebs:PutSnapshotBlock": lambda: ebs.put_snapshot_block(
            SnapshotId=_NOWHERE,
            BlockIndex=0,
            BlockData=bytes(BLOCK),
            DataLength=BLOCK,
            Checksum=digest,
            ChecksumAlgorithm="SHA256",
        ),
        "ebs:CompleteSnapshot": lambda: ebs.complete_snapshot(
            SnapshotId=_NOWHERE, ChangedBlocksCount=0
        ),
        "ebs:ListSnapshotBlocks": lambda: ebs.list_snapshot_blocks(
            SnapshotId=snapshot, MaxResults=100
        ),
        # A token that nobody has issued gives no block.
        "ebs:GetSnapshotBlock": lambda: ebs.get_snapshot_block(
            SnapshotId=snapshot, BlockIndex=0, BlockToken="AAAA"
        ),
    }


def _judged(error: ClientError) -> tuple[Verdict, str]:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _ALLOWED:
        return Verdict.ALLOWED, code
    if code in _DENIED:
        return Verdict.DENIED, code
    if status >= 500 or "Throttl" in code or code == "RequestLimitExceeded":
        raise TransientError(code)
    return Verdict.UNKNOWN, code
