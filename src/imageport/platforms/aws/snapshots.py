"""Snapshots by the jobs that made them (SPEC G7)."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from imageport.disk.base import GIB
from imageport.disk.ends.errors import NotFoundError
from imageport.platforms.aws.api import AwsApi
from imageport.platforms.aws.errors import SnapshotUnusable
from imageport.platforms.base import Leftover

JOB = "imageport-job"
"""The tag with the id of the job that made it."""
STATE = "imageport-state"
UNFINISHED, COMPLETE, READ_BACK = "unfinished", "complete", "read-back"
"""What the tag `STATE` says; `READ_BACK` is `COMPLETE`, and was read and compared."""
ROOT = "imageport-root"
"""The tag of a complete one with its content hash."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One as EC2 knows it."""

    id: str
    state: str
    """`pending`, `completed`, `error`, ..."""
    gib: int
    encrypted: bool
    tags: dict[str, str]


def new_tags(job: str) -> dict[str, str]:
    """Of a snapshot that the job begins."""
    return {JOB: job, STATE: UNFINISHED}


class Snapshots:
    """Those of one account and region; methods raise `EndError`."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api

    def find(self, id: str) -> Snapshot:
        """A completed one. Raises SnapshotUnusable."""
        region = self._api.account.region
        try:
            answer = self._api.run(lambda: self._api.ec2.describe_snapshots(SnapshotIds=[id]))
        except NotFoundError:
            raise SnapshotUnusable(snapshot=id, region=region, detail="it is not there") from None
        found = _snapshot(answer["Snapshots"][0])
        if found.state != "completed":
            detail = f"its state is {found.state}"
            raise SnapshotUnusable(snapshot=id, region=region, detail=detail)
        return found

    def of_job(self, job: str) -> list[Snapshot]:
        """What the job has made."""
        return list(self._tagged({"Name": f"tag:{JOB}", "Values": [job]}))

    def complete(self, id: str, root: str, *, read_back: bool) -> None:
        """It is the job's result from now on, and nothing that is left over."""
        tags = {STATE: READ_BACK if read_back else COMPLETE, ROOT: root}
        said = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._api.run(lambda: self._api.ec2.create_tags(Resources=[id], Tags=said))

    def release(self, job: str, keep: str | None = None) -> None:
        """Delete what the job has made but `keep`; safe to repeat."""
        for each in self.of_job(job):
            if each.id != keep:
                self.delete(each.id)

    def delete(self, id: str) -> None:
        """Delete one; one that is gone is no error."""
        try:
            self._api.run(lambda: self._api.ec2.delete_snapshot(SnapshotId=id))
        except NotFoundError:
            return

    def leftovers(self, living: Collection[str]) -> list[Leftover]:
        """The unfinished ones of jobs other than those in `living`."""
        found = self._tagged({"Name": f"tag:{STATE}", "Values": [UNFINISHED]})
        return [
            Leftover(each.tags[JOB], "snapshot", f"{self._api.name}{each.id}", each.gib * GIB)
            for each in found
            if JOB in each.tags and each.tags[JOB] not in living
        ]

    def _tagged(self, wanted: dict[str, Any]) -> Iterator[Snapshot]:
        token: dict[str, str] = {}
        while True:
            ask = functools.partial(
                self._api.ec2.describe_snapshots, OwnerIds=["self"], Filters=[wanted], **token
            )
            answer = self._api.run(ask)
            yield from map(_snapshot, answer["Snapshots"])
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}


def _snapshot(said: dict[str, Any]) -> Snapshot:
    return Snapshot(
        said["SnapshotId"],
        said["State"],
        int(said["VolumeSize"]),
        bool(said.get("Encrypted")),
        {each["Key"]: each["Value"] for each in said.get("Tags", [])},
    )
