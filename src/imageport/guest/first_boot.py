"""The first boot from outside: whether its runner waits in the guest, and what it reported.

The report is lines of text: `fact <name> <value>`, `step <number> <name> <exit code>`, `restart`
where more steps follow in another boot, and last `complete`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from imageport.guest.errors import ReadOnlyGuestError
from imageport.guest.fixup import Step
from imageport.guest.guest import Guest
from imageport.guest.linux import runner as linux
from imageport.guest.linux import selinux
from imageport.guest.windows import runner as windows
from imageport.model.guest import FirstBootReport, FirstBootStep, Inspection, OsFamily

_OUTPUT_KEPT = 2000
"""Characters of a step's output: its end says what went wrong."""


def installed(guest: Guest) -> bool:
    """True when the runner's script is in the guest: its first boot is still to come."""
    run = windows.RUN if guest.family is OsFamily.WINDOWS else linux.RUN
    return guest.find(run) is not None


def goes_on(guest: Guest, before: Inspection) -> bool:
    """True when the guest restarted in the middle of its first boot, and goes on in another.

    A step asked for it. Or, in a Linux, a step restarted the machine by itself, or SELinux' labels
    were to be restored, which restarts before the runner's turn has come: `before`, the inspection
    that the preparation was planned with, saw the order for that, and now it is carried out.
    """
    if not installed(guest):
        return False
    windows_guest = guest.family is OsFamily.WINDOWS
    place = guest.find(windows.REPORT if windows_guest else linux.REPORT)
    text = place.read_text(encoding="utf-8", errors="replace") if place else ""
    if windows_guest:
        return text.split()[-1:] == ["restart"]
    return bool(text) or _relabelled(guest, before)


def _relabelled(guest: Guest, before: Inspection) -> bool:
    there = before.linux is not None and selinux.RELABEL in before.linux.paths
    return there and guest.find(selinux.RELABEL) is None


def collect(guest: Guest) -> FirstBootReport | None:
    """Read the report that the guest's runner left, and remove it; None when there is none.

    That of a runner which waits for one more boot stays: it goes on with it. What a finished runner
    could not remove of itself (a virus scanner held it open) goes with it.
    Raises `ReadOnlyGuestError`.
    """
    of_windows = guest.family is OsFamily.WINDOWS
    place = guest.find(windows.REPORT if of_windows else linux.REPORT)
    if place is None:
        return None
    if not guest.writable:
        raise ReadOnlyGuestError
    report = parse(place.read_text(encoding="utf-8", errors="replace"))
    if not report.complete and installed(guest):
        return report
    place.unlink()
    log = guest.find(windows.LOG) if of_windows else None
    if log is not None:
        report = _with_output(report, log.read_text(encoding="utf-8", errors="replace"))
        log.unlink()
    folder = guest.find(windows.FOLDER if of_windows else linux.RUN_FOLDER)
    if report.complete and folder is not None:
        shutil.rmtree(folder)
        _remove_if_empty(folder.parent)
    _remove_if_empty(place.parent)
    return report


def judged(report: FirstBootReport, planned: Iterable[Step]) -> FirstBootReport:
    """The report, with what was planned said of each step: whether the image needs it."""
    optional = {step.name for step in planned if not step.required}
    steps = tuple(replace(step, required=step.name not in optional) for step in report.steps)
    return replace(report, steps=steps)


def parse(text: str) -> FirstBootReport:
    """A report's text; lines that are none of the protocol are left out."""
    facts: dict[str, str] = {}
    steps: list[FirstBootStep] = []
    complete, restarts = False, 0
    for line in text.splitlines():
        kind, _, rest = line.strip().partition(" ")
        if kind == "fact":
            name, _, value = rest.partition(" ")
            if value.strip():
                facts[name] = value.strip()
        elif kind == "step":
            step = _step(rest.split())
            if step:
                steps.append(step)
        elif kind == "complete":
            complete = True
        elif kind == "restart":
            restarts += 1
    return FirstBootReport(complete, tuple(steps), facts, restarts)


def _with_output(report: FirstBootReport, log: str) -> FirstBootReport:
    """Each step with the end of what it wrote."""
    parts: dict[int, str] = {}
    for part in log.split("=== ")[1:]:
        head, _, text = part.partition("\n")
        number = head.split(" ")[0]
        if number.isdecimal():
            parts[int(number)] = text.strip()[-_OUTPUT_KEPT:]
    steps = tuple(replace(step, output=parts.get(step.number, "")) for step in report.steps)
    return replace(report, steps=steps)


def _step(words: list[str]) -> FirstBootStep | None:
    try:
        number, *name, code = words
        return FirstBootStep(int(number), " ".join(name), int(code))
    except ValueError:
        return None


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
