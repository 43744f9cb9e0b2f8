"""`POST /ips/images/$...`: starts a job. Only jobs that really run are here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from imageport.model.service import JobType
from imageport.service.api import views
from imageport.service.api.auth import Caller, Operator
from imageport.service.api.once import Answer, Asked, Posted, note
from imageport.service.api.problems import located, responses
from imageport.service.store import credentials, jobs, places
from imageport.service.store.database import Tx
from imageport.service.store.jobs import NewJob
from imageport.wire.documents import Job
from imageport.wire.images import ExportImage, ImageRequest, MigrateImage, credential_ids

router = APIRouter(prefix="/ips/images", tags=["images"])

DryRun = Annotated[
    bool, Query(alias="dryRun", description="Check everything, change nothing, and say it.")
]


_STARTED = {**located(202, "The job that was started"), **responses(404)}


@router.post("/$migrate", status_code=202, response_model=Job, responses=_STARTED)
def migrate_image(
    body: MigrateImage, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Make an image file one that starts on another platform, and prove that it does."""
    return _start(caller, asked, JobType.MIGRATE, body, dry_run=dry_run)


@router.post("/$export", status_code=202, response_model=Job, responses=_STARTED)
def export_image(
    body: ExportImage, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Write an image file to a share as VHD or VHDX."""
    return _start(caller, asked, JobType.EXPORT, body, dry_run=dry_run)


def _start(
    caller: Caller, asked: Asked, type: JobType, request: ImageRequest, *, dry_run: bool
) -> Response:
    def effect(tx: Tx) -> Answer:
        places.read_location(tx, caller.customer, request.resource_location_id)
        for id in credential_ids(request):
            credentials.read(tx, caller.customer, id)
        by = f"{caller.name} ({caller.id})"[:128]
        location, parameters = request.resource_location_id, request.as_json()
        new = NewJob(caller.customer, location, type, parameters, by, dry_run)
        job = jobs.create(tx, new)
        note(tx, caller, f"job.{type}", job.id)
        return Answer(202, views.job(job, []), f"/ips/jobs/{job.id}")

    answer = asked.once(caller, effect)
    asked.service.bell.ring(request.resource_location_id)
    return answer
