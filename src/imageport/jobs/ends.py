"""What it takes to reach a job's source and its output: never kept with the job."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from imageport.disk.ends.open import Access


@dataclass(frozen=True, slots=True)
class Ends:
    """Of both."""

    source: Access = field(default_factory=Access)
    output: Access = field(default_factory=Access)
    base: Path | None = None
    """Where a copy of the source goes, where one is needed, when it is not the job's own."""


HERE = Ends()
"""Both are files of this computer."""
