"""What a job needs of AWS' identity and access management, action by action."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Permission:
    """An action, and what it is for; `lost` says what is lost where it is not granted, and is empty
    where the job cannot do without."""

    action: str
    why: str
    lost: str = ""

    @property
    def optional(self) -> bool:
        """Whether the job does without."""
        return bool(self.lost)


_DESCRIBE = Permission("ec2:DescribeSnapshots", "sees what state a snapshot is in")
_LIST = Permission("ebs:ListSnapshotBlocks", "lists the blocks that a snapshot has")
_GET = Permission("ebs:GetSnapshotBlock", "reads them")
_UNREAD = (
    "The snapshot is not read back: what is left is that AWS confirms the SHA-256 of every block. "
    "A parent that this connector has not made itself cannot be compared: the whole disk moves."
)

UPLOAD = (
    Permission("ebs:StartSnapshot", "begins a snapshot"),
    Permission("ebs:PutSnapshotBlock", "writes its blocks"),
    Permission("ebs:CompleteSnapshot", "seals it"),
    Permission("ec2:CreateTags", "tags it with the job"),
    _DESCRIBE,
    Permission("ec2:DeleteSnapshot", "removes it when the job fails or is cancelled"),
    Permission(_LIST.action, _LIST.why, _UNREAD),
    Permission(_GET.action, _GET.why, _UNREAD),
)
"""Of `$upload`, the optional ones last."""

EXPORT = (_LIST, _GET, _DESCRIBE)
"""Of `$export`: Citrix's service does not read from AWS this way, so their list has not the first
two."""


def statement(actions: Iterable[str]) -> dict[str, Any]:
    """What to add to a policy so that the actions are allowed."""
    return {"Effect": "Allow", "Action": sorted(set(actions)), "Resource": "*"}
