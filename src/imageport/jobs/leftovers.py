"""What killed migrations left: machines, job folders, partial outputs (SPEC G7)."""

from __future__ import annotations

from pathlib import Path

from imageport.jobs.folder import JobFolder, all_jobs
from imageport.jobs.output import remove_unfinished, unfinished
from imageport.platforms.base import Leftover
from imageport.platforms.local import platform


def find_leftovers() -> list[Leftover]:
    """Everything of jobs that no process works on."""
    dead = [folder for folder in all_jobs() if not folder.in_use]
    living = [folder.id for folder in all_jobs() if folder.in_use]
    found = platform.leftovers(living)
    for folder in dead:
        size = sum(path.stat().st_blocks * 512 for path in folder.path.rglob("*"))
        found.append(Leftover(folder.id, "files", str(folder.path), size))
        output = _output(folder)
        partial = unfinished(output) if output else []
        found += [Leftover(folder.id, "partial-output", str(path)) for path in partial]
    return found


def remove_leftovers() -> list[Leftover]:
    """Remove them; returns what was there."""
    found = find_leftovers()
    for job in {each.job for each in found}:
        platform.release(job)
    for folder in all_jobs():
        if not folder.in_use:
            output = _output(folder)
            if output:
                remove_unfinished(output)
            folder.remove()
    return found


def _output(folder: JobFolder) -> Path | None:
    """Where the output of a job was to go; a look inside an image has none."""
    if not (folder.path / "request.json").exists() or not folder.request.output:
        return None
    return Path(folder.request.output)
