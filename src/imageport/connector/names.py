"""What a job is called on this computer."""

from __future__ import annotations

import hashlib


def folder_name(job: str) -> str:
    """Of the job's folder: short, as sockets lie in it, and the same at every attempt."""
    return hashlib.sha256(job.encode()).hexdigest()[:12]
