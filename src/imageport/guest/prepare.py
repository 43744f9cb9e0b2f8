"""Preparing a guest for a target: refuse, change, trim, read back."""

from __future__ import annotations

import time
from collections.abc import Callable

from imageport.guest import first_boot, fixups
from imageport.guest.errors import (
    BlockedError,
    ReadOnlyGuestError,
    VerificationError,
)
from imageport.guest.fixup import Task
from imageport.guest.guest import Guest
from imageport.guest.mounting import trim
from imageport.guest.plan import applicable, findings, plan
from imageport.guest.session import Session
from imageport.guest.windows import driver_lock
from imageport.model.findings import Severity
from imageport.model.guest import Check, Inspection, LibraryFile, Preparation, PrepareOptions
from imageport.model.target import TargetProfile

Progress = Callable[[str, int, int], None]
"""Called as `progress(what, done, total)` before each step; `what` names the fix-up."""


def prepare(
    guest: Guest,
    inspection: Inspection,
    target: TargetProfile,
    options: PrepareOptions,
    progress: Progress,
) -> Preparation:
    """Apply every fix-up to the writable `guest`, then read all of it back from the disk.

    `inspection` is of this guest as it is now. Raises `BlockedError` before anything is changed
    when a finding is a blocker, and `VerificationError` when what was written is not there.
    """
    began = time.monotonic()
    if not guest.writable:
        raise ReadOnlyGuestError
    _refuse_blocked(inspection, target, options)
    task = Task(inspection, target, options)
    chosen = applicable(task)
    total = len(chosen) + 2
    with Session(guest, writable=True) as session:
        for done, each in enumerate(chosen):
            progress(each.name, done, total)
            each.apply(session, task)
    progress("trim", total - 2, total)
    trim(guest.root)
    progress("verify", total - 1, total)
    checks = (*verify(guest, inspection, target, options), _runner_installed(guest))
    failed = [f"{check.fixup}: {check.what} ({check.seen})" for check in checks if not check.passed]
    if failed:
        raise VerificationError(failed="; ".join(failed))
    progress("done", total, total)
    changes = plan(inspection, target, options)
    return Preparation(changes, checks, time.monotonic() - began, _taken(task))


def _taken(task: Task) -> tuple[LibraryFile, ...]:
    library = task.options.drivers
    files = fixups.library_files(task.inspection.family, task)
    return driver_lock.described(library, files) if library else ()


def verify(
    guest: Guest, inspection_before: Inspection, target: TargetProfile, options: PrepareOptions
) -> tuple[Check, ...]:
    """Read back from the disk what has to be so, after applying and again after the boot.

    `inspection_before` is the one that the preparation was planned with.
    """
    task = Task(inspection_before, target, options)
    with Session(guest, writable=False) as session:
        return tuple(check for each in applicable(task) for check in each.verify(session, task))


def _refuse_blocked(inspection: Inspection, target: TargetProfile, options: PrepareOptions) -> None:
    blockers = [
        found
        for found in findings(inspection, target, options)
        if found.severity is Severity.BLOCKER
    ]
    if blockers:
        raise BlockedError(
            target=str(target.target),
            reasons=" ".join(found.sentence for found in blockers),
            remedies=" ".join(dict.fromkeys(found.remedy for found in blockers)),
            findings=[found.code for found in blockers],
        )


def _runner_installed(guest: Guest) -> Check:
    there = first_boot.installed(guest)
    return Check("first-boot", "runner waits for the boot", there, "there" if there else "missing")
