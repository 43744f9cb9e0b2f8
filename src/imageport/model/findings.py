"""Findings: what a preflight, an inspection or a dry run noticed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding matters to the job."""

    INFO = "info"
    WARNING = "warning"
    BLOCKER = "blocker"
    """The job would fail or give an image that does not boot: it is refused before it starts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed, with what to do about it."""

    code: str
    severity: Severity
    sentence: str
    remedy: str
    data: dict[str, Any] = field(default_factory=dict)
