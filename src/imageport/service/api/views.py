"""Rows of the store as documents of the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from imageport.service.store import credentials, customers, jobs, places
from imageport.service.store.database import Tx
from imageport.wire import documents
from imageport.wire.credentials import Credential

_ONLINE = timedelta(minutes=2)


def credential(row: credentials.CredentialRow) -> Credential:
    """A credential."""
    return Credential(
        id=row.id, type=row.type, created_at=row.created_at, updated_at=row.updated_at
    )


def location(row: places.Location) -> documents.ResourceLocation:
    """A resource location."""
    return documents.ResourceLocation(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        max_jobs=row.limits.jobs,
        max_jobs_by_platform=dict(row.limits.platforms),
    )


def connector(tx: Tx, row: places.Connector) -> documents.Connector:
    """A connector."""
    return documents.Connector(
        id=row.id,
        resource_location_id=row.location,
        name=row.name,
        registered=row.signing_key is not None,
        online=row.seen_at is not None and row.seen_at > tx.now - _ONLINE,
        version=row.version,
        health=row.health,
        created_at=row.created_at,
        seen_at=row.seen_at,
    )


def online(tx: Tx, customer: str) -> int:
    """How many connectors are."""
    return places.online(tx, customer, tx.now - _ONLINE)


def client(row: customers.Client) -> documents.ApiClient:
    """A client."""
    return documents.ApiClient(id=row.id, name=row.name, role=row.role, created_at=row.created_at)


def summary(job: jobs.Job) -> documents.JobSummary:
    """A job as lists have it."""
    return documents.JobSummary(**_summary(job))


def job(row: jobs.Job, warnings: list[str]) -> documents.Job:
    """All of a job."""
    return documents.Job(
        **_summary(row),
        parameters=row.request,
        tags=row.request.get("tags", {}),
        warnings=tuple(warnings),
        result=row.result,
    )


def _summary(job: jobs.Job) -> dict[str, Any]:
    step = None
    if job.step is not None and not job.status.ended:
        step = documents.StepProgress(
            name=job.step, title=job.title or "", done=job.done, total=job.total, unit=job.unit
        )
    return {
        "id": job.id,
        "type": job.type,
        "overall_status": job.status,
        "overall_progress_percent": round(job.percent, 1),
        "is_cancellable": not job.status.ended and not job.cancel,
        "cancel_requested": job.cancel,
        "dry_run": job.dry_run,
        "resource_location_id": job.location,
        "connector_id": job.connector,
        "attempt": job.fence,
        "created_at": job.created_at,
        "created_by": job.created_by,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "forgotten_at": job.forget_at,
        "step": step,
        "error": job.error,
    }
