"""EC2, as far as the lab makes moto's stricter: snapshots and their blocks go together."""

from __future__ import annotations

from typing import ClassVar

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from lab.aws.actions import WatchedEc2
from lab.aws.store import Store


class StrictEc2(WatchedEc2, EC2Response):
    """One request. `store` and `settings` are given by a subclass for each server."""

    store: ClassVar[Store]

    def delete_snapshot(self) -> ActionResult:
        answer = super().delete_snapshot()
        self.store.remove(self._get_param("SnapshotId"))
        return answer

    def describe_regions(self) -> ActionResult:
        # What is no region has no address at AWS, and moto stumbles over it.
        self.region = "us-east-1"
        answer: ActionResult = super().describe_regions()
        return answer
