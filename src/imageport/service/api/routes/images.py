"""`POST /ips/images/$...`: starts a job. Only jobs that really run are here."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from imageport.model.service import JobType
from imageport.service.api import views
from imageport.service.api.auth import Caller, Operator
from imageport.service.api.once import Answer, Asked, Posted, note
from imageport.service.api.problems import responses
from imageport.service.store import credentials, jobs, places
from imageport.service.store.database import Tx
from imageport.service.store.jobs import NewJob
from imageport.traces import base as traces
from imageport.wire.documents import Job
from imageport.wire.images import ExportImage, ImageRequest, MigrateImage, credential_ids

router = APIRouter(prefix="/ips/images", tags=["images"])

_LOG = logging.getLogger(__name__)

DryRun = Annotated[
    bool, Query(alias="dryRun", description="Check everything, change nothing, and say it.")
]
Traceparent = Annotated[
    str | None, Header(description="W3C Trace Context: the trace that the job belongs to.")
]
"""One that is malformed is as none, as its specification demands."""


@router.post("/$migrate", status_code=202, response_model=Job, responses=responses(404))
def migrate(
    body: MigrateImage,
    caller: Operator,
    asked: Posted,
    dry_run: DryRun = False,
    traceparent: Traceparent = None,
) -> Response:
    """Make an image file one that starts on another platform, and prove that it does."""
    return _traced(caller, asked, JobType.MIGRATE, body, dry_run, traceparent)


@router.post("/$export", status_code=202, response_model=Job, responses=responses(404))
def export(
    body: ExportImage,
    caller: Operator,
    asked: Posted,
    dry_run: DryRun = False,
    traceparent: Traceparent = None,
) -> Response:
    """Write an image file to a share as VHD or VHDX."""
    return _traced(caller, asked, JobType.EXPORT, body, dry_run, traceparent)


def _traced(  # noqa: PLR0913, PLR0917  # what all of them are asked with
    caller: Caller,
    asked: Asked,
    type: JobType,
    request: ImageRequest,
    dry_run: bool,
    traceparent: str | None,
) -> Response:
    route = f"/ips/images/${type}"
    said = {
        traces.CUSTOMER: caller.customer,
        traces.TYPE: type.value,
        traces.DRY_RUN: dry_run,
        "http.request.method": "POST",
        "http.route": route,
    }
    begun = traces.Begun(
        traces.Part.SERVICE, f"POST {route}", traceparent, traces.Kind.SERVER, attributes=said
    )
    with traces.during(asked.service.traces.begin(begun)) as span:
        answer = _start(caller, asked, type, request, span, dry_run=dry_run)
        span.set({"http.response.status_code": answer.status_code})
        return answer


def _start(  # noqa: PLR0913  # as above
    caller: Caller,
    asked: Asked,
    type: JobType,
    request: ImageRequest,
    span: traces.Span,
    *,
    dry_run: bool,
) -> Response:
    def effect(tx: Tx) -> Answer:
        places.read_location(tx, caller.customer, request.resource_location_id)
        for id in credential_ids(request):
            credentials.read(tx, caller.customer, id)
        by = f"{caller.name} ({caller.id})"[:128]
        location, parameters = request.resource_location_id, request.as_json()
        new = NewJob(caller.customer, location, type, parameters, by, dry_run, span.traceparent)
        job = jobs.create(tx, new)
        span.set({traces.JOB: job.id})
        told = traces.log_extra(job.id, job.trace)
        _LOG.info("job %s: taken in (%s)", job.id, type, extra=told)
        note(tx, caller, f"job.{type}", job.id)
        return Answer(202, views.job(job, []), f"/ips/jobs/{job.id}")

    answer = asked.once(caller, effect)
    asked.service.bell.ring(request.resource_location_id)
    return answer
