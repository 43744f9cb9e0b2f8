"""How a run is shown: what will happen, what is going on, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.live import Live
from rich.table import Table
from rich.text import Text

from imageport.cli.screen import ERR, OUT, PlainSteps, describe, print_rows
from imageport.client import ServiceUnreachable
from imageport.model.service import JobStatus
from imageport.wire.documents import Job
from imageport.workflow.plan import Doing, Step
from imageport.workflow.record import Entry

_SHOWN_HASH = 16
"""Characters of a content hash in tables; JSON has all."""
_COLOURS = {
    JobStatus.COMPLETE: "green",
    JobStatus.ERROR: "red",
    JobStatus.CANCELLED: "yellow",
    JobStatus.IN_PROGRESS: "blue",
}


def plan_rows(steps: Sequence[Step], stray: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Target, platform, output, and what will happen."""
    rows: list[tuple[str, ...]] = [
        (
            step.wanted.name,
            step.wanted.request.target_platform.value,
            step.wanted.request.output_address,
            _what(step),
        )
        for step in steps
    ]
    for entry in stray:
        what = f"job {entry.job or ''} is cancelled first: it is no longer asked for"
        rows.append((entry.target, "", entry.output, what))
    return rows


def _what(step: Step) -> str:
    entry = step.entry
    if step.doing is Doing.NOTHING:
        return f"nothing: complete since {_at(entry.ended_at)}"
    if step.doing is Doing.FOLLOW:
        return f"goes on: job {entry.job}"
    what = "starts"
    if step.before:
        reason = (step.before.error or {}).get("code", "cancelled")
        what = f"starts again (attempt {entry.attempt}); last time: {reason}"
    if step.written and step.wanted.request.overwrite_target_file:
        what += f"; replaces what this run wrote {_at(step.written.ended_at)}"
    elif step.written:
        what += f"; this run wrote that file {_at(step.written.ended_at)}: if it is still there, "
        what += "this is refused (overwriteTargetFile)"
    return what


def summary_rows(steps: Sequence[Step], entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Target, state, time, output, content."""
    return [
        (
            step.wanted.name,
            state(entry),
            "" if entry.seconds is None else f"{entry.seconds:.0f} s",
            step.wanted.request.output_address,
            (entry.root or "")[:_SHOWN_HASH],
        )
        for step, entry in zip(steps, entries, strict=True)
    ]


def state(entry: Entry) -> str:
    """In a word."""
    return entry.status.value if entry.status else "not started"


def target_json(step: Step, entry: Entry) -> dict[str, Any]:
    """All of a target, for scripts."""
    return {
        "target": step.wanted.name,
        "platform": step.wanted.request.target_platform.value,
        "output": step.wanted.request.output_address,
        "did": step.doing.value,
        "status": entry.status.value if entry.status else None,
        "job": entry.job,
        "attempt": entry.attempt,
        "ended_at": entry.ended_at.isoformat() if entry.ended_at else None,
        "seconds": entry.seconds,
        "root": entry.root,
        "warnings": list(entry.warnings),
        "error": entry.error,
    }


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]], *, aside: bool) -> None:
    """On standard output; `aside`: on standard error, for what is no result."""
    console = ERR if aside else OUT
    if not console.is_terminal:
        # A line for each, however long: what reads it is a log or a program.
        print_rows([names, *rows], console)
        return
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    colours = {status.value: colour for status, colour in _COLOURS.items()}
    for row in rows:
        table.add_row(*(Text(part, style=colours.get(part, "")) for part in row))
    console.print(table)


def print_trouble(steps: Sequence[Step], entries: Sequence[Entry]) -> None:
    """Warnings, errors, and what to do about them."""
    for step, entry in zip(steps, entries, strict=True):
        name = step.wanted.name
        lines = [f"{name}: {text}" for text in entry.warnings]
        if entry.status is not JobStatus.COMPLETE and entry.error:
            lines.append(f"{name}: {entry.error.get('sentence')}")
            lines.append(f"{name}: what to do: {entry.error.get('remedy')}")
        for line in lines:
            OUT.print(line, markup=False, highlight=False, soft_wrap=True)


def watching(names: dict[str, str]) -> LiveTargets | PlainTargets:
    """Live rows when standard error is a terminal, else lines; names by identity."""
    return LiveTargets(names) if ERR.is_terminal else PlainTargets(names)


class PlainTargets:
    """A line for each change of a job's status or step."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names, self._said = names, dict[str, str]()
        self._lines = PlainSteps()

    def __enter__(self) -> PlainTargets:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""

    def seen(self, identity: str, job: Job | None) -> None:
        """See `workflow.drive.Seen`."""
        now = _now(job)
        if now != self._said.get(identity):
            self._said[identity] = now
            self._lines.say(f"{self._names[identity]}: {now}")

    def away(self, error: ServiceUnreachable) -> None:
        """The service does not answer."""
        self._lines.say(f"{error.message} Its jobs go on; still asking.")


class LiveTargets:
    """A row for each target, which changes in place."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names, self._jobs = names, dict[str, Job | None]()
        self._began = time.monotonic()
        self._live = Live(console=ERR, refresh_per_second=4, get_renderable=self._table)

    def __enter__(self) -> LiveTargets:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def seen(self, identity: str, job: Job | None) -> None:
        """See `workflow.drive.Seen`."""
        self._jobs[identity] = job

    def away(self, error: ServiceUnreachable) -> None:
        """The service does not answer."""
        text = f"{error.message} Its jobs go on; still asking."
        self._live.console.print(text, markup=False, highlight=False)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for identity, name in self._names.items():
            job = self._jobs.get(identity)
            style = _COLOURS.get(job.overall_status, "") if job else ""
            percent, progress = "", ""
            if job and job.step:
                percent = f"{job.overall_progress_percent:3.0f} %"
                step = job.step
                progress = describe(step.done, step.total, step.unit, 0) if step.total else ""
            table.add_row(name, Text(_now(job), style=style), percent, Text(progress, style="dim"))
        table.add_row("", Text(f"{time.monotonic() - self._began:.0f} s", style="dim"))
        return table


def _now(job: Job | None) -> str:
    if job is None:
        return "waiting"
    if job.overall_status.ended:
        code = (job.error or {}).get("code")
        return f"{job.overall_status.value} ({code})" if code else job.overall_status.value
    if job.cancel_requested:
        return "is being cancelled"
    return job.step.title if job.step else job.overall_status.value


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "at an unknown time"
