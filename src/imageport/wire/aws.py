"""Requests that start jobs on AWS.

`awsRegion` and the like are the parameters of Citrix's cmdlets; their names on the wire are not
publicly known.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from imageport.wire.base import Name
from imageport.wire.platforms import AwsRequest
from imageport.wire.stored import StoredInput, StoredOutput

SnapshotId = Annotated[str, StringConstraints(pattern=r"^snap-[0-9a-f]{8,32}$")]

OWN_TAGS = "imageport-"
"""What the names of the tags begin with by which jobs find what they have made."""
_MOST_TAGS = 48
"""AWS takes 50 of a snapshot, and two are the job's."""


class UploadToAws(AwsRequest, StoredInput):
    """`$upload` to AWS: an image on a share to an EBS snapshot."""

    tags: dict[Name, Annotated[str, StringConstraints(max_length=256)]] = Field(
        default_factory=dict, max_length=_MOST_TAGS
    )
    """Kept with the job, and given to the snapshot."""
    parent_snapshot_id: SnapshotId | None = None
    """A snapshot of an earlier version of the disk: only blocks that differ are moved."""
    encrypted: bool = False
    """With the account's key for EBS, or with `kmsKeyId`. A child takes its parent's encryption."""
    kms_key_id: (
        Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:kms:\S+$", max_length=2048)]
        | None
    ) = None
    """ARN of a key; it implies `encrypted`."""
    description: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        default="", max_length=255
    )
    """Of the snapshot."""

    @model_validator(mode="after")
    def _no_tags_of_ours(self) -> Self:
        for name in self.tags:
            if name.casefold().startswith(OWN_TAGS):
                raise PydanticCustomError("own_tag", "the tag {name} is ours alone", {"name": name})
        return self

    @model_validator(mode="after")
    def _encryption_of_a_child(self) -> Self:
        if self.parent_snapshot_id and (self.encrypted or self.kms_key_id):
            raise PydanticCustomError(
                "child_encryption",
                "with parentSnapshotId there is neither encrypted nor kmsKeyId: the snapshot is "
                "encrypted as its parent is",
            )
        return self


class ExportFromAws(AwsRequest, StoredOutput):
    """`$export` from AWS: an EBS snapshot to VHD or VHDX on a share."""

    source_snapshot_id: SnapshotId
    """Completed; it is only read."""
    hash_disk: bool = False
    """The result has the MD5 of the disk's content, too."""
