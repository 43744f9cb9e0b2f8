"""Jobs as their customers see them: start, list, read, cancel, forget."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update

from imageport.model.service import JobStatus, JobType, PlatformName
from imageport.service.errors import Conflict, NotFound
from imageport.service.store.database import Tx
from imageport.service.store.tables import jobs


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`; docs/service.md says what the states are."""

    id: str
    customer: str
    location: str
    type: JobType
    platform: PlatformName
    dry_run: bool
    request: dict[str, Any]
    status: JobStatus
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None
    forget_at: datetime | None
    cancel: bool
    fence: int
    claimable_at: datetime | None
    connector: str | None
    step: str | None
    title: str | None
    done: float
    total: float
    unit: str
    percent: float
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    trace: str | None


_COLUMNS = tuple(field.name for field in fields(Job))


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is asked for."""

    customer: str
    location: str
    type: JobType
    platform: PlatformName
    request: dict[str, Any]
    created_by: str
    dry_run: bool = False
    trace: str | None = None
    """The `traceparent` of its spans."""


def create(tx: Tx, new: NewJob) -> Job:
    """Queue it. The location must be the customer's (`places.read_location`)."""
    id = str(uuid.uuid4())
    tx.run(
        insert(jobs).values(
            id=id,
            customer=new.customer,
            location=new.location,
            type=new.type.value,
            platform=new.platform.value,
            dry_run=new.dry_run,
            request=new.request,
            status=JobStatus.NOT_STARTED.value,
            created_at=tx.now,
            created_by=new.created_by,
            claimable_at=tx.now,
            trace=new.trace,
        )
    )
    return read(tx, new.customer, id)


def read(tx: Tx, customer: str, id: str) -> Job:
    """Raises NotFound."""
    row = tx.run(select(jobs).where(jobs.c.id == id, jobs.c.customer == customer)).first()
    if row is None:
        raise NotFound(what="job", id=id)
    return job_of(row)


def page(
    tx: Tx, customer: str, size: int, after: tuple[datetime, str] | None, status: JobStatus | None
) -> list[Job]:
    """The next `size` jobs, newest first, without what is long; `after` is the last one known."""
    query = select(*(jobs.c[name] for name in _COLUMNS if name not in ("result", "request")))
    query = query.where(jobs.c.customer == customer)
    if status:
        query = query.where(jobs.c.status == status.value)
    if after:
        at, id = after
        older = or_(jobs.c.created_at < at, and_(jobs.c.created_at == at, jobs.c.id < id))
        query = query.where(older)
    rows = tx.run(query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(size))
    return [job_of(row) for row in rows]


def cancel(tx: Tx, customer: str, id: str, keep: timedelta) -> Job:
    """End it at once when nobody has begun it; else whoever runs it is told.

    Raises NotFound, or Conflict when it has ended otherwise.
    """
    job = _locked(tx, customer, id)
    if job.status is JobStatus.CANCELLED or job.cancel:
        return job
    if job.status.ended:
        raise Conflict(detail=f"the job {id} has ended already ({job.status})")
    values: dict[str, Any] = {"cancel": True}
    if job.status is JobStatus.NOT_STARTED:
        values |= ended(tx, JobStatus.CANCELLED, keep)
    tx.run(update(jobs).where(jobs.c.id == id).values(values))
    return read(tx, customer, id)


def remove(tx: Tx, customer: str, id: str, keep: timedelta) -> Job | None:
    """Forget an ended job (None), or cancel one that has not ended. Raises NotFound."""
    if not _locked(tx, customer, id).status.ended:
        return cancel(tx, customer, id, keep)
    tx.run(delete(jobs).where(jobs.c.id == id))
    return None


def ended(tx: Tx, status: JobStatus, keep: timedelta) -> dict[str, Any]:
    """The columns of a job that ends now."""
    return {
        "status": status.value,
        "ended_at": tx.now,
        "forget_at": tx.now + keep,
        "claimable_at": None,
    }


def forget_old(tx: Tx) -> int:
    """Remove the ended jobs whose time is over; returns how many."""
    return tx.run(delete(jobs).where(jobs.c.forget_at <= tx.now)).rowcount


def counts(tx: Tx, customer: str | None = None) -> dict[JobStatus, int]:
    """Jobs by status; of all customers when none is given."""
    query = select(jobs.c.status, func.count()).group_by(jobs.c.status)
    if customer:
        query = query.where(jobs.c.customer == customer)
    found = {JobStatus(status): count for status, count in tx.run(query)}
    return {status: found.get(status, 0) for status in JobStatus}


def uses_credential(tx: Tx, customer: str, id: str) -> str | None:
    """A job that has not ended and names the credential, if there is one."""
    running = [status.value for status in JobStatus if not status.ended]
    query = select(jobs.c.id, jobs.c.request).where(
        jobs.c.customer == customer, jobs.c.status.in_(running)
    )
    for job, request in tx.run(query):
        if id in _credential_ids(request):
            return str(job)
    return None


def _credential_ids(value: Any) -> set[str]:
    """Every value of a field that names a credential, by the names that wire fields have."""
    if isinstance(value, list):
        return set().union(*map(_credential_ids, value))
    if not isinstance(value, dict):
        return set()
    own = {
        str(each)
        for name, each in value.items()
        if each is not None and name.lower().endswith("credentialid")
    }
    return own.union(*(_credential_ids(each) for each in value.values()))


def _locked(tx: Tx, customer: str, id: str) -> Job:
    query = select(jobs).where(jobs.c.id == id, jobs.c.customer == customer).with_for_update()
    row = tx.run(query).first()
    if row is None:
        raise NotFound(what="job", id=id)
    return job_of(row)


def job_of(row: Row[Any]) -> Job:
    """A row, also one without what is long."""
    values = {"result": None, "request": {}, **row._mapping}
    values["type"] = JobType(values["type"])
    values["platform"] = PlatformName(values["platform"])
    values["status"] = JobStatus(values["status"])
    return Job(**values)
