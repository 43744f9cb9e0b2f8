"""What connectors ask: register, claim, renew, finish, release."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from imageport.service.api.auth import AConnector
from imageport.service.api.problems import responses
from imageport.service.api.state import Service, State
from imageport.service.errors import NotFound
from imageport.service.store import audit, claims, credentials, places
from imageport.service.store.claims import End, Line, Progress
from imageport.service.store.database import Tx
from imageport.service.store.jobs import Job
from imageport.service.store.places import Connector
from imageport.service.wallet.wallet import credential as bound_to
from imageport.traces import base as traces
from imageport.wire import connector as wire
from imageport.wire.base import GUID_PATTERN
from imageport.wire.images import credential_ids, read_request
from imageport.wire.sealed import seal

PREFIX = "/ips/connectors/"
router = APIRouter(prefix="/ips/connectors/{id}", tags=["connector protocol"])

_LOG = logging.getLogger(__name__)

Id = Annotated[str, Path(pattern=GUID_PATTERN)]
JobId = Annotated[str, Path(alias="jobId", pattern=GUID_PATTERN)]


@router.post("/$register", responses=responses())
def register_connector(
    id: Id, body: wire.Register, request: Request, service: Service
) -> wire.Registered:
    """Give the one-time code for the connector's public keys."""
    service.logins.take(request.client.host if request.client else "local")
    with service.store.writing() as tx:
        keys = (body.signing_key, body.sealing_key)
        row = places.register(tx, id, body.code, keys, body.version)
        audit.write(tx, row.customer, f"{row.name} ({id})"[:128], "connector.register", id)
    return wire.Registered(customer_id=row.customer, resource_location_id=row.location)


@router.post(
    "/$claim",
    response_model=wire.Work,
    responses={204: {"description": "There is no job at the moment"}, **responses(404)},
)
async def claim_job(
    id: Id, body: wire.Claim, connector: AConnector, request: Request, service: Service
) -> wire.Work | Response:
    """Hold the oldest job of the location that nobody holds; waits for one."""
    deadline = time.monotonic() + body.wait
    await asyncio.to_thread(_seen, service, connector, body)
    while True:
        # A job that is claimed for nobody would lie until its lease has run out.
        if await request.is_disconnected():
            return Response(status_code=204)
        work = await asyncio.to_thread(_claim, service, connector)
        if work:
            service.bell.ring(connector.location)
            return work
        left = deadline - time.monotonic()
        if left <= 0 or service.bell.closed:
            return Response(status_code=204)
        # Now and then also without a bell: a lease may run out, a replica's look may fail.
        await service.bell.wait(connector.location, min(left, 10))


@router.post("/jobs/{jobId}/$renew", responses=responses(409))
def renew_lease(
    job: JobId, body: wire.Renew, connector: AConnector, service: Service
) -> wire.Renewed:
    """Go on with a job's lease; hear whether to cancel."""
    progress = None
    if body.progress:
        said = body.progress
        progress = Progress(
            _clean(said.step),
            _clean(said.title),
            said.done,
            said.total,
            _clean(said.unit),
            said.percent,
        )
    terms = service.settings.terms
    with service.store.writing() as tx:
        lines = _lines(body.lines)
        held = claims.renew(tx, connector, job, body.fence, terms, progress, lines)
    return wire.Renewed(lease_seconds=terms.lease.total_seconds(), cancel=held.cancel)


@router.post("/jobs/{jobId}/$finish", status_code=204, responses=responses(409))
def finish_job(job: JobId, body: wire.Finish, connector: AConnector, service: Service) -> Response:
    """Say how a job ended."""
    end = End(body.status, body.result, body.error)
    with service.store.writing() as tx:
        terms, lines = service.settings.terms, _lines(body.lines)
        claims.finish(tx, connector, job, body.fence, terms, end, lines)
    return Response(status_code=204)


@router.post("/jobs/{jobId}/$release", status_code=204, responses=responses(409))
def release_job(
    job: JobId, body: wire.Release, connector: AConnector, service: Service
) -> Response:
    """Give a job back, to be claimed at once."""
    with service.store.writing() as tx:
        claims.release(tx, connector, job, body.fence)
    service.bell.ring(connector.location)
    return Response(status_code=204)


def _seen(service: State, connector: Connector, body: wire.Claim) -> None:
    with service.store.writing() as tx:
        places.saw_connector(tx, connector.id, body.version, body.health)


def _claim(service: State, connector: Connector) -> wire.Work | None:
    def held(tx: Tx) -> tuple[Job, dict[str, str], datetime, datetime | None] | None:
        job = claims.claim(tx, connector, service.settings.terms)
        if job is None:
            return None
        since = claims.queued_since(tx, job) if job.trace else None
        return job, _credentials(tx, service, connector, job), tx.now, since

    found = service.wallet.writing(service.store, held)
    if found is None:
        return None
    job, sealed, now, since = found
    if job.fence == 1:
        service.metrics.claims.observe(max(0.0, (now - job.created_at).total_seconds()))
    if since:
        _trace_wait(service, job, since, now)
    told = traces.log_extra(job.id, job.trace)
    _LOG.info("job %s: claimed by %s", job.id, connector.id, extra=told)
    return wire.Work(
        job=job.id,
        type=job.type,
        dry_run=job.dry_run,
        request=job.request,
        fence=job.fence,
        lease_seconds=service.settings.lease.total_seconds(),
        cancel=job.cancel,
        credentials=sealed,
        trace=job.trace,
    )


def _trace_wait(service: State, job: Job, since: datetime, until: datetime) -> None:
    said = {
        traces.JOB: job.id,
        traces.CUSTOMER: job.customer,
        traces.TYPE: job.type.value,
        traces.ATTEMPT: job.fence,
        traces.CONNECTOR: job.connector or "",
    }
    at = traces.nanoseconds(since)
    wait = traces.Begun(traces.Part.SERVICE, "queued", job.trace, at=at, attributes=said)
    service.traces.begin(wait).end(traces.nanoseconds(until))


def _credentials(tx: Tx, service: State, connector: Connector, job: Job) -> dict[str, str]:
    """Sealed to this connector for this lease; one that is gone is left out, and missed there."""
    request = read_request(job.type, job.request)
    sealed: dict[str, str] = {}
    for id in credential_ids(request):
        try:
            kept = credentials.secret_of(tx, job.customer, id)
        except NotFound:
            continue
        secret = service.wallet.open(tx, job.customer, bound_to(id), kept)
        lease = (connector.id, job.id, job.fence)
        key = connector.sealing_key or ""
        sealed[id] = seal(secret, key, lease=lease, credential=id)
        audit.write(
            tx, job.customer, f"{connector.name} ({connector.id})"[:128], "credential.use", id
        )
    return sealed


def _lines(lines: tuple[wire.Line, ...]) -> list[Line]:
    return [Line(line.number, line.at, line.level, _clean(line.text)) for line in lines]


def _clean(text: str) -> str:
    """One line, whatever a guest or a tool has said: nothing moves a terminal's cursor."""
    return "".join(
        each if each.isprintable() or each == "\t" else f"\\x{ord(each):02x}" for each in text
    )
