"""Looking at a copy before it begins: the source, the place that it goes to, and its room."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from imageport.disk.base import data_bytes
from imageport.disk.ends.open import Access, is_local, open_source
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.space import free_space
from imageport.jobs.copies import CopyRequest
from imageport.jobs.outputs.local import check_space
from imageport.jobs.outputs.share import room
from imageport.jobs.report import Reporter
from imageport.model.credentials import UsernamePassword
from imageport.model.findings import Finding, Severity
from imageport.model.target import DiskFormat


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What would be written where; sizes in bytes."""

    source: str
    target: str
    format: DiskFormat | None
    virtual_size: int
    data: int
    free: int
    findings: tuple[Finding, ...]


def plan_copy(request: CopyRequest, source: Access, target: Access, reporter: Reporter) -> CopyPlan:
    """Look at both ends; nothing is written. Raises `DiskError`, `NoSpace`."""
    reporter.step_started("look", f"Look at {request.source} and {request.target}")
    began = time.monotonic()
    with open_source(request.source, source) as reader:
        size, data = reader.size, data_bytes(reader)
    if is_local(request.target):
        free, tight = check_space(Path(request.target).parent, data), []
    else:
        place = SmbLocation.parse(request.target)
        free = free_space(place, target.needed(request.target, UsernamePassword))
        tight = room(place, free, data, size)
    findings = tuple(map(_tight, tight))
    reporter.step_done("look", time.monotonic() - began)
    return CopyPlan(request.source, request.target, request.format, size, data, free, findings)


def _tight(said: str) -> Finding:
    remedy = "Free some space there, or choose another share."
    return Finding("copy.room", Severity.WARNING, said, remedy, {})
