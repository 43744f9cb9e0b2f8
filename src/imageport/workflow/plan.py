"""What a command has to do for a run: by what its file says, its record, and its jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from imageport.model.service import JobStatus
from imageport.wire.documents import Job
from imageport.workflow.errors import JobForgotten
from imageport.workflow.record import Entry, Record
from imageport.workflow.wanted import Wanted

Ask = Callable[[str], Job | None]
"""The job of an id; None when the service has none."""


class Doing(StrEnum):
    """What becomes of a target."""

    START = "start"
    AGAIN = "again"
    """Its last attempt did not end well."""
    FOLLOW = "follow"
    NOTHING = "nothing"
    """It is complete."""


@dataclass(frozen=True, slots=True)
class Step:
    """A target, and what is known of it."""

    wanted: Wanted
    doing: Doing
    entry: Entry
    """To begin with, or that there is."""
    before: Entry | None = None
    """Of the attempt before."""
    written: Entry | None = None
    """What wrote the output's name in this run already, for another request or before --fresh."""

    @property
    def starts(self) -> bool:
        """Whether a job is asked for."""
        return self.doing in (Doing.START, Doing.AGAIN)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, and jobs under way that nobody asks for any more: they are cancelled first."""

    steps: tuple[Step, ...]
    stray: tuple[str, ...]
    """Identities of entries."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to ask a person about."""
        return bool(self.stray) or any(step.starts for step in self.steps)


def told(entry: Entry, job: Job | None) -> Entry:
    """What is known after the service has said how the job is."""
    if job is None:
        error = JobForgotten(job=entry.job).as_dict()
        return entry.model_copy(update={"status": JobStatus.ERROR, "error": error})
    seconds = None
    if job.started_at and job.ended_at:
        seconds = (job.ended_at - job.started_at).total_seconds()
    return entry.model_copy(
        update={
            "job": job.id,
            "status": job.overall_status,
            "ended_at": job.ended_at,
            "seconds": seconds,
            "root": _root(job.result),
            "warnings": job.warnings,
            "error": job.error,
        }
    )


def decide(
    everything: Sequence[Wanted],
    chosen: Sequence[Wanted],
    record: Record,
    ask: Ask,
    *,
    fresh: bool = False,
) -> Plan:
    """The plan; the record is brought up to date with the jobs that it knows."""
    for identity, entry in record.entries.items():
        if entry.job and entry.open:
            record.entries[identity] = told(entry, ask(entry.job))
    steps = tuple(_step(each, record, fresh=fresh) for each in chosen)
    asked_for = {each.identity for each in everything}
    anew = {each.identity for each in chosen} if fresh else set()
    stray = tuple(
        identity
        for identity, entry in record.entries.items()
        if entry.open and (identity not in asked_for or identity in anew)
    )
    return Plan(steps, stray)


def _step(wanted: Wanted, record: Record, *, fresh: bool) -> Step:
    known = record.entries.get(wanted.identity)
    output = wanted.request.output_address
    if known is None or fresh:
        blank = Entry(target=wanted.name, output=output, request=wanted.request.as_json())
        entry = blank.next(fresh=True) if fresh else blank
        return Step(wanted, Doing.START, entry, written=_written(record, output))
    known = known.model_copy(update={"target": wanted.name})
    if known.status is JobStatus.COMPLETE:
        return Step(wanted, Doing.NOTHING, known)
    written = _written(record, output)
    if not known.open:
        entry = known.next(fresh=False).model_copy(update={"request": wanted.request.as_json()})
        return Step(wanted, Doing.AGAIN, entry, known, written)
    # Without an answer, asking with the same key again finds out whether there is a job.
    doing = Doing.FOLLOW if known.job else Doing.START
    return Step(wanted, doing, known, written=written)


def _written(record: Record, output: str) -> Entry | None:
    found = [
        entry
        for entry in record.entries.values()
        if entry.output == output and entry.status is JobStatus.COMPLETE
    ]
    return found[-1] if found else None


def _root(result: dict[str, Any] | None) -> str | None:
    output = (result or {}).get("output")
    return output.get("root") if isinstance(output, dict) else None
