"""What jobs want of their guests, as the engine is told."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from imageport.jobs.source import SourceFacts
from imageport.model.job import ConvertRequest, MigrateRequest
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


def conversion_wish(request: ConvertRequest, source: SourceFacts) -> dict[str, Any]:
    """Arguments of the engine's commands. The disk's GUID depends on source and output alone, so
    that what a dry run prints is what is done."""
    name = f"{source.fingerprint} {request.output}"
    return {"identity": str(uuid.uuid5(uuid.NAMESPACE_OID, name))}
