"""The first boot from outside: whether its runner waits in the guest, and what it reported.

The report is lines of text: `fact <name> <value>`, `step <number> <name> <exit code>`, and last
`complete`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from imageport.guest.errors import ReadOnlyGuestError
from imageport.guest.guest import Guest
from imageport.guest.linux import runner as linux
from imageport.guest.windows import runner as windows
from imageport.model.guest import FirstBootReport, FirstBootStep, OsFamily


def installed(guest: Guest) -> bool:
    """True when the runner's script is in the guest: its first boot is still to come."""
    run = windows.RUN if guest.family is OsFamily.WINDOWS else linux.RUN
    return guest.find(run) is not None


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
    folder = guest.find(windows.FOLDER if of_windows else linux.RUN_FOLDER)
    if report.complete and folder is not None:
        shutil.rmtree(folder)
        _remove_if_empty(folder.parent)
    _remove_if_empty(place.parent)
    return report


def parse(text: str) -> FirstBootReport:
    """A report's text; lines that are none of the protocol are left out."""
    facts: dict[str, str] = {}
    steps: list[FirstBootStep] = []
    complete = False
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
    return FirstBootReport(complete, tuple(steps), facts)


def _step(words: list[str]) -> FirstBootStep | None:
    try:
        number, *name, code = words
        return FirstBootStep(int(number), " ".join(name), int(code))
    except ValueError:
        return None


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
