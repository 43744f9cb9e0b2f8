"""`/ips/jobs`: list, read, follow, cancel, remove."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from imageport.model.service import JobStatus
from imageport.service.api import views
from imageport.service.api.auth import Operator, Reader
from imageport.service.api.once import Answer, Posted, note
from imageport.service.api.problems import located, responses
from imageport.service.api.state import Service, State
from imageport.service.errors import Malformed, StoreUnavailable
from imageport.service.store import claims, jobs
from imageport.service.store.database import Tx
from imageport.wire.base import GUID_PATTERN
from imageport.wire.documents import Job, JobPage, LogLine, LogPage

router = APIRouter(prefix="/ips/jobs", tags=["jobs"])

JobId = Annotated[str, Path(pattern=GUID_PATTERN)]
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=1000)]
_POSITION = r"^[0-9]{1,9}\.[0-9]{1,9}$"
_BEGINNING = "0.0"
Continuation = Annotated[str | None, Query(alias="continuationToken", max_length=200)]
MOST_WARNINGS = 100
_STREAM_SECONDS = 900
"""After which a stream ends, and its reader comes again with `Last-Event-ID`."""
_LOOK_SECONDS = 0.5


@router.get("", responses=responses())
def list_jobs(
    caller: Reader,
    service: Service,
    page_size: PageSize = 100,
    continuation_token: Continuation = None,
    status: Annotated[JobStatus | None, Query(alias="overallStatus")] = None,
) -> JobPage:
    """All jobs, newest first; those that have ended are kept for a while."""
    after = _read_token(continuation_token) if continuation_token else None
    with service.store.reading() as tx:
        found = jobs.page(tx, caller.customer, page_size, after, status)
    token = _token(found[-1]) if len(found) == page_size else None
    items = tuple(map(views.summary, found))
    return JobPage(page_size=page_size, items=items, continuation_token=token)


@router.get("/{id}", responses=responses(404))
def read_job(id: JobId, caller: Reader, service: Service) -> Job:
    """All of a job."""
    with service.store.reading() as tx:
        return _job(tx, caller.customer, id)


@router.post(
    "/{id}/$cancel",
    status_code=202,
    response_model=Job,
    responses={**located(202, "The job, which will end"), **responses(404, 409)},
)
def cancel_job(id: JobId, caller: Operator, asked: Posted) -> Response:
    """End a job: at once when nobody has begun it, else as soon as its connector hears of it."""

    def effect(tx: Tx) -> Answer:
        jobs.cancel(tx, caller.customer, id, asked.service.settings.retention)
        note(tx, caller, "job.cancel", id)
        return Answer(202, _job(tx, caller.customer, id), f"/ips/jobs/{id}")

    return asked.once(caller, effect)


@router.delete(
    "/{id}",
    status_code=204,
    response_class=Response,
    responses={202: {"model": Job, "description": "It is being cancelled"}, **responses(404)},
)
def remove_job(id: JobId, caller: Operator, service: Service) -> Response:
    """Forget a job that has ended; cancel one that has not."""
    with service.store.writing() as tx:
        cancelled = jobs.remove(tx, caller.customer, id, service.settings.retention)
        note(tx, caller, "job.cancel" if cancelled else "job.remove", id)
        if cancelled is None:
            return Response(status_code=204)
        document = _job(tx, caller.customer, id)
    return Response(document.model_dump_json(by_alias=True), 202, media_type="application/json")


@router.get("/{id}/logs", responses=responses(404))
def read_log(
    id: JobId,
    caller: Reader,
    service: Service,
    page_size: PageSize = 500,
    continuation_token: Annotated[
        str, Query(alias="continuationToken", pattern=_POSITION)
    ] = _BEGINNING,
) -> LogPage:
    """A job's log, in order."""
    with service.store.reading() as tx:
        jobs.read(tx, caller.customer, id)
        lines = _lines(tx, id, continuation_token, page_size)
    token = lines[-1].position if lines else continuation_token
    return LogPage(page_size=page_size, items=tuple(lines), continuation_token=token)


@router.get(
    "/{id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The events",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **responses(404),
    },
)
def follow_job(
    id: JobId,
    request: Request,
    caller: Reader,
    service: Service,
    last_event_id: Annotated[str, Header(alias="Last-Event-ID", pattern=_POSITION)] = _BEGINNING,
) -> StreamingResponse:
    """Server-sent events: `log` (a line), `job` (a change of status or progress), `end`."""
    with service.store.reading() as tx:
        jobs.read(tx, caller.customer, id)
    stream = _events(service, request, caller.customer, id, last_event_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _events(
    service: State, request: Request, customer: str, id: str, position: str
) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    shown = ""
    for _ in range(int(_STREAM_SECONDS / _LOOK_SECONDS)):
        try:
            lines, document = await asyncio.to_thread(_look, service, customer, id, position)
        except StoreUnavailable:
            return  # the reader comes again
        for line in lines:
            position = line.position
            yield f"id: {position}\nevent: log\ndata: {line.model_dump_json(by_alias=True)}\n\n"
        text = document.model_dump_json(by_alias=True)
        if text != shown:
            yield f"event: job\ndata: {text}\n\n"
            shown = text
        if not lines:
            if document.overall_status.ended:
                yield "event: end\ndata: {}\n\n"
                return
            if service.bell.closed or await request.is_disconnected():
                return
            await asyncio.sleep(_LOOK_SECONDS)


def _look(service: State, customer: str, id: str, position: str) -> tuple[list[LogLine], Job]:
    with service.store.reading() as tx:
        document = _job(tx, customer, id)
        return _lines(tx, id, position, 500), document


def _job(tx: Tx, customer: str, id: str) -> Job:
    return views.job(jobs.read(tx, customer, id), claims.warnings(tx, id, MOST_WARNINGS))


def _lines(tx: Tx, id: str, position: str, limit: int) -> list[LogLine]:
    fence, _, number = position.partition(".")
    return [
        LogLine(position=f"{at}.{line.number}", at=line.at, level=line.level, text=line.text)
        for at, line in claims.lines_after(tx, id, (int(fence), int(number)), limit)
    ]


def _token(last: jobs.Job) -> str:
    said = f"{last.created_at.isoformat()} {last.id}"
    return base64.urlsafe_b64encode(said.encode()).decode()


def _read_token(token: str) -> tuple[datetime, str]:
    try:
        at, _, id = base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii").partition(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not id.isprintable():
            raise ValueError(token)
    except (ValueError, binascii.Error) as error:
        raise Malformed(detail="the continuationToken is none that was given out") from error
    return moment, id
