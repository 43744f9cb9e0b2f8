"""What a migration wants of its guest, as the engine is told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from imageport.model.job import MigrateRequest


def wish(request: MigrateRequest, *, isolated: bool) -> dict[str, Any]:
    """Arguments of the engine's commands. `isolated`: its machine reaches nobody."""
    return {
        "target": str(request.target),
        "provisioning": str(request.provisioning),
        "isolated": isolated,
        "wishes": asdict(request.wishes),
    }
