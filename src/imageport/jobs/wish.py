"""What a migration wants of its guest, as the engine is told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from imageport.model.job import MigrateRequest
from imageport.model.target import Controller


def wish(request: MigrateRequest, *, isolated: bool, controller: Controller) -> dict[str, Any]:
    """Arguments of the engine's commands. `isolated`: its machine reaches nobody; `controller`:
    what the image's disk hangs on there."""
    return {
        "operation": str(request.operation),
        "controller": str(controller),
        "target": str(request.target),
        "provisioning": str(request.provisioning),
        "isolated": isolated,
        "wishes": asdict(request.wishes),
    }
