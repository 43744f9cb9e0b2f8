"""What killed migrations left: machines, job folders, partial outputs (SPEC G7)."""

from __future__ import annotations

import shutil
from pathlib import Path

from imageport.disk.ends.open import is_local
from imageport.disk.target import LocalTarget
from imageport.jobs.bundle import unfinished_address
from imageport.jobs.copies import CopyFolder, unfinished_copies
from imageport.jobs.folder import JobFolder, all_jobs
from imageport.jobs.outputs.local import LocalOutput
from imageport.model.job import ConvertRequest, DiagnosticsRequest, JobRequest, MigrateRequest
from imageport.platforms.base import Leftover
from imageport.platforms.local import platform

COPY = "unfinished-copy"


def find_leftovers() -> list[Leftover]:
    """Everything of jobs that no process works on."""
    dead = [folder for folder in all_jobs() if not folder.in_use]
    living = [folder.id for folder in all_jobs() if folder.in_use]
    found = platform.leftovers(living)
    for folder in dead:
        size = sum(path.stat().st_blocks * 512 for path in folder.path.rglob("*"))
        found.append(Leftover(folder.id, "files", str(folder.path), size))
        found += [Leftover(folder.id, "partial-output", name) for name in _partial(folder)]
    found += [Leftover(each.path.name, COPY, each.target) for each in _copies()]
    return found


def remove_leftovers() -> list[Leftover]:
    """Remove them; returns what was there.

    A copy to another computer stays: `image copy --drop` with that end's credentials removes it. So
    do unfinished diagnostics on a share: the same command, run again, replaces them.
    """
    found = [each for each in find_leftovers() if each.kind != COPY or is_local(each.name)]
    for job in {each.job for each in found}:
        platform.release(job)
    for folder in all_jobs():
        if not folder.in_use:
            _remove_files(folder)
    for copy in _copies():
        if is_local(copy.target):
            target = LocalTarget(Path(copy.target))
            target.partial.unlink(missing_ok=True)
            target.record.unlink(missing_ok=True)
            copy.remove()
    return found


def remove_job(id: str, *, output: bool) -> bool:
    """Remove what is left of one job, by its folder's id, with its parts, and of its output when
    that is this computer's alone; False while a process works on it."""
    for folder in (each for each in all_jobs() if each.id.partition("-")[0] == id):
        if folder.in_use:
            return False
        platform.release(folder.id)
        _remove_files(folder, output=output)
    return True


def _remove_files(folder: JobFolder, *, output: bool = True) -> None:
    request = _request(folder) if output else None
    if request and is_local(request.output):
        if isinstance(request, DiagnosticsRequest):
            shutil.rmtree(unfinished_address(request, folder.id), ignore_errors=True)
        else:
            _file(request).remove_unfinished()
    folder.remove()


def _partial(folder: JobFolder) -> list[str]:
    """What is left of a job's output. On a share nobody looks: that takes its account."""
    request = _request(folder)
    if isinstance(request, DiagnosticsRequest):
        place = unfinished_address(request, folder.id)
        return [place] if not is_local(place) or Path(place).exists() else []
    if request and is_local(request.output):
        return [str(path) for path in _file(request).unfinished()]
    return []


def _file(request: MigrateRequest | ConvertRequest) -> LocalOutput:
    return LocalOutput(Path(request.output), overwrite=request.overwrite)


def _copies() -> list[CopyFolder]:
    return [folder for folder in unfinished_copies() if folder.begun]


def _request(folder: JobFolder) -> JobRequest | None:
    """What a job was asked for, where it has an output; a look inside an image has none.

    What a job left on a share is removed by the connector that had its credential, or replaced by
    the next job of that name.
    """
    if not (folder.path / "request.json").exists() or not folder.request.output:
        return None
    return folder.request
