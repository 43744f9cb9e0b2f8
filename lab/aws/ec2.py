"""EC2, as far as the lab makes moto's stricter: snapshots and their blocks go together."""

from __future__ import annotations

from typing import ClassVar

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from lab.aws.store import Store


class StrictEc2(EC2Response):
    """One request. `store` is given by a subclass for each server."""

    store: ClassVar[Store]

    def delete_snapshot(self) -> ActionResult:
        answer = super().delete_snapshot()
        self.store.remove(self._get_param("SnapshotId"))
        return answer
