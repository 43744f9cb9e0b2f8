"""What a connector can be told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def usual_slots() -> int:
    """An engine's machine keeps about two processors busy."""
    return max(1, (os.cpu_count() or 1) // 2)


@dataclass(frozen=True, slots=True)
class Settings:
    """`folders`: where jobs may read and write image files. Times in seconds."""

    folders: tuple[Path, ...]
    slots: int
    """How many jobs run at once."""
    drain: float = 30.0
    """How long jobs under way may go on after a polite kill; then they are given back."""
    claim_wait: float = 50.0
    """How long the service may keep a question for work waiting."""
    news: float = 1.0
    """How often progress and log lines are passed on."""
    stop: float = 30.0
    """How long a job that was cancelled may take to clean up."""
    idle_files: float = 600.0
    """After which the files of a job that is not ours any more are removed."""
