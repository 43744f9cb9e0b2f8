"""One job is claimed by one connector: leases, and the fence that every later word must carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from imageport.model.service import JobStatus, Level
from imageport.service.errors import LeaseLost
from imageport.service.store.database import Tx
from imageport.service.store.jobs import Job, ended, job_of
from imageport.service.store.places import UNLIMITED, Connector, limits_of
from imageport.service.store.tables import jobs, leases, locations, log_lines

LONGEST_LOG = 20_000
"""Lines kept of one lease; what comes later is dropped."""


@dataclass(frozen=True, slots=True)
class Terms:
    """`lease`: how long one lasts. `keep`: how long an ended job is known. `attempts`: how many
    leases a job may use up before it is given up."""

    lease: timedelta
    keep: timedelta
    attempts: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands; `total` is 0 when nobody knows, `percent` counts the whole job."""

    step: str | None = None
    title: str | None = None
    done: float = 0.0
    total: float = 0.0
    unit: str = ""
    percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a job's log; numbers count up within one fence."""

    number: int
    at: datetime
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended."""

    status: JobStatus
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def claim(tx: Tx, connector: Connector, terms: Terms) -> Job | None:
    """The oldest job of the connector's location that nobody holds and that its limits allow, held
    by it now; or None."""
    row = _next(tx, connector)
    if row is None:
        return None
    job = job_of(row)
    if job.fence >= terms.attempts:
        _give_up(tx, job, terms)
        return claim(tx, connector, terms)
    fence, until = job.fence + 1, tx.now + terms.lease
    lease = {"job": job.id, "fence": fence, "connector": connector.id}
    tx.run(insert(leases).values(**lease, since=tx.now, until=until))
    values = {
        "status": JobStatus.IN_PROGRESS.value,
        "fence": fence,
        "connector": connector.id,
        "claimable_at": until,
        "started_at": job.started_at or tx.now,
    }
    _update(tx, job.id, values)
    told = f"Claimed by the connector {connector.name}."
    _keep_lines(tx, job.id, fence, [Line(0, tx.now, Level.INFO, told)])
    return job_of(tx.run(select(jobs).where(jobs.c.id == job.id)).one())


def _next(tx: Tx, connector: Connector) -> Row[Any] | None:
    full = _full(tx, connector.location)
    if full is None:
        return None
    query = (
        select(jobs)
        .where(
            jobs.c.location == connector.location,
            jobs.c.customer == connector.customer,
            jobs.c.claimable_at <= tx.now,
            jobs.c.platform.not_in(full),
        )
        .order_by(jobs.c.created_at, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return tx.run(query).first()


def _full(tx: Tx, location: str) -> set[str] | None:
    """The platforms that no further job may be begun on; None when there may be none at all.

    Where there are limits, the location is locked until the claim is written: two connectors that
    ask at once would both find the last place free.
    """
    query = select(locations).where(locations.c.id == location)
    limits = limits_of(tx.run(query).one())
    if limits == UNLIMITED:
        return set()
    limits = limits_of(tx.run(query.with_for_update()).one())
    held = select(jobs.c.platform, func.count()).where(
        jobs.c.location == location,
        jobs.c.status == JobStatus.IN_PROGRESS.value,
        jobs.c.claimable_at > tx.now,
    )
    rows = tx.run(held.group_by(jobs.c.platform))
    running: dict[str, int] = {platform: count for platform, count in rows}  # noqa: C416  # typed
    if limits.jobs is not None and sum(running.values()) >= limits.jobs:
        return None
    return {
        platform.value
        for platform, most in limits.platforms.items()
        if running.get(platform.value, 0) >= most
    }


def renew(  # noqa: PLR0913, PLR0917  # who, what, and what is new
    tx: Tx,
    connector: Connector,
    job: str,
    fence: int,
    terms: Terms,
    progress: Progress | None,
    lines: Sequence[Line],
) -> Job:
    """Go on with the lease, and keep what is new. Raises LeaseLost."""
    held = _held(tx, connector, job, fence)
    until = tx.now + terms.lease
    values: dict[str, Any] = {"claimable_at": until}
    if progress:
        values |= {
            "step": progress.step,
            "title": progress.title,
            "done": progress.done,
            "total": progress.total,
            "unit": progress.unit,
            "percent": max(held.percent, progress.percent),
        }
    _update(tx, job, values)
    _lease_until(tx, job, fence, until)
    _keep_lines(tx, job, fence, lines)
    return held


def finish(  # noqa: PLR0913, PLR0917  # as above
    tx: Tx,
    connector: Connector,
    job: str,
    fence: int,
    terms: Terms,
    end: End,
    lines: Sequence[Line],
) -> None:
    """End the job. Said again, it changes nothing. Raises LeaseLost."""
    row = tx.run(select(jobs).where(jobs.c.id == job).with_for_update()).first()
    again = row is not None and row.fence == fence and row.connector == connector.id
    if again and row is not None and row.status == end.status.value:
        return
    held = _held(tx, connector, job, fence)
    values = ended(tx, end.status, terms.keep) | {"result": end.result, "error": end.error}
    values["percent"] = 100.0 if end.status is JobStatus.COMPLETE else held.percent
    _update(tx, job, values)
    _lease_until(tx, job, fence, tx.now)
    _keep_lines(tx, job, fence, lines)


def release(tx: Tx, connector: Connector, job: str, fence: int) -> None:
    """Give the job back, so that it can be claimed at once. Raises LeaseLost."""
    _held(tx, connector, job, fence)
    _update(tx, job, {"claimable_at": tx.now, "connector": None})
    _lease_until(tx, job, fence, tx.now)


def queued_since(tx: Tx, job: Job) -> datetime:
    """From when on the job waited to be claimed as it is now: its start, or the end of the lease
    before."""
    query = select(leases.c.until).where(leases.c.job == job.id, leases.c.fence == job.fence - 1)
    before: datetime | None = tx.connection.scalar(query)
    return before or job.created_at


def waiting(tx: Tx) -> set[str]:
    """The locations that have a job to claim."""
    query = select(jobs.c.location).where(jobs.c.claimable_at <= tx.now).distinct()
    return set(tx.run(query).scalars())


def lines_after(tx: Tx, job: str, after: tuple[int, int], limit: int) -> list[tuple[int, Line]]:
    """Log lines with their fences, from behind the position (fence, number) `after`."""
    fence, number = after
    later = (log_lines.c.fence > fence) | (
        (log_lines.c.fence == fence) & (log_lines.c.number > number)
    )
    query = select(log_lines).where(log_lines.c.job == job, later)
    rows = tx.run(query.order_by(log_lines.c.fence, log_lines.c.number).limit(limit))
    return [(row.fence, Line(row.number, row.at, Level(row.level), row.text)) for row in rows]


def warnings(tx: Tx, job: str, limit: int) -> list[str]:
    """The texts of the lines that warn."""
    query = select(log_lines.c.text).where(
        log_lines.c.job == job, log_lines.c.level == Level.WARNING.value
    )
    ordered = query.order_by(log_lines.c.fence, log_lines.c.number)
    return list(dict.fromkeys(tx.run(ordered.limit(limit)).scalars()))


def _held(tx: Tx, connector: Connector, job: str, fence: int) -> Job:
    """The job, locked. Also when its lease has run out: nobody else has taken it."""
    query = select(jobs).where(
        jobs.c.id == job,
        jobs.c.customer == connector.customer,
        jobs.c.connector == connector.id,
        jobs.c.fence == fence,
        jobs.c.status == JobStatus.IN_PROGRESS.value,
    )
    row = tx.run(query.with_for_update()).first()
    if row is None:
        raise LeaseLost(job=job, fence=fence)
    return job_of(row)


def _give_up(tx: Tx, job: Job, terms: Terms) -> None:
    error = {
        "code": "job.given-up",
        "sentence": f"The job was begun {job.fence} times, and no connector came to its end.",
        "remedy": "Read the job's log and its connectors', and start the job again.",
        "data": {"attempts": job.fence},
    }
    _update(tx, job.id, ended(tx, JobStatus.ERROR, terms.keep) | {"error": error})


def _update(tx: Tx, job: str, values: dict[str, Any]) -> None:
    tx.run(update(jobs).where(jobs.c.id == job).values(values))


def _lease_until(tx: Tx, job: str, fence: int, until: datetime) -> None:
    chosen = (leases.c.job == job) & (leases.c.fence == fence)
    tx.run(update(leases).where(chosen).values(until=until))


def _keep_lines(tx: Tx, job: str, fence: int, lines: Sequence[Line]) -> None:
    """Each once: a connector that heard no answer says them again. The job's row is locked."""
    query = select(log_lines.c.number).where(log_lines.c.job == job, log_lines.c.fence == fence)
    last = tx.connection.scalar(query.order_by(log_lines.c.number.desc()).limit(1))
    known = -1 if last is None else last
    new = [line for line in lines if known < line.number <= LONGEST_LOG]
    if new:
        rows = [
            {
                "job": job,
                "fence": fence,
                "number": line.number,
                "at": line.at,
                "level": line.level.value,
                "text": line.text,
            }
            for line in {line.number: line for line in new}.values()
        ]
        tx.run(insert(log_lines), rows)
