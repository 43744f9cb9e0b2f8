"""Looking at an export before it begins: the source, the share, its account and its room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.space import free_space
from imageport.disk.open import open_disk
from imageport.jobs.copies import CopyRequest
from imageport.jobs.report import Reporter
from imageport.model.credentials import UsernamePassword
from imageport.model.findings import Finding, Severity
from imageport.model.target import DiskFormat

ROOM = 2
"""Times the virtual size that a share must have free: an export, and the image made of it (F6)."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What would be written where; sizes in bytes."""

    source: str
    target: str
    format: DiskFormat | None
    virtual_size: int
    free: int
    findings: tuple[Finding, ...]


def plan_export(request: CopyRequest, account: UsernamePassword, reporter: Reporter) -> ExportPlan:
    """Log in to the share and look; nothing is written. Raises `DiskError`, `EndError`."""
    reporter.step_started("look", f"Look at {request.source} and {request.target}")
    with open_disk(Path(request.source)) as reader:
        size = reader.size
    free = free_space(SmbLocation.parse(request.target), account)
    findings = () if free >= ROOM * size else (_tight(request.target, free, ROOM * size),)
    return ExportPlan(request.source, request.target, request.format, size, free, findings)


def _tight(target: str, free: int, wanted: int) -> Finding:
    return Finding(
        "export.room",
        Severity.WARNING,
        f"The share of {target} has {free} bytes free; {wanted} are advised.",
        "Free some space there, or choose another share.",
        {"free": free, "wanted": wanted},
    )
