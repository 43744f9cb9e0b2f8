"""`POST /ips/images/$...`: starts a job. Only jobs that really run are here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from imageport.model.service import JobType
from imageport.service.api import views
from imageport.service.api.auth import Caller, Operator
from imageport.service.api.once import Answer, Asked, Posted, note
from imageport.service.api.problems import responses
from imageport.service.store import credentials, jobs, places
from imageport.service.store.database import Tx
from imageport.service.store.jobs import NewJob
from imageport.wire.documents import Job
from imageport.wire.images import (
    ConvertToUefi,
    ExportImage,
    ImageRequest,
    MigrateImage,
    PrepareAndPublishImage,
    PrepareImage,
    PublishImage,
    ReverseImage,
    UpgradePvs,
    UploadImage,
    credential_ids,
)

router = APIRouter(prefix="/ips/images", tags=["images"])

DryRun = Annotated[
    bool, Query(alias="dryRun", description="Check everything, change nothing, and say it.")
]


@router.post("/$export", status_code=202, response_model=Job, responses=responses(404))
def export(body: ExportImage, caller: Operator, asked: Posted, dry_run: DryRun = False) -> Response:
    """Write an image file to a share as VHD or VHDX."""
    return _start(caller, asked, JobType.EXPORT, body, dry_run=dry_run)


@router.post("/$upload", status_code=202, response_model=Job, responses=responses(404))
def upload(body: UploadImage, caller: Operator, asked: Posted, dry_run: DryRun = False) -> Response:
    """Write an image on a share to an image file of the platform."""
    return _start(caller, asked, JobType.UPLOAD, body, dry_run=dry_run)


@router.post("/$prepare", status_code=202, response_model=Job, responses=responses(404))
def prepare(
    body: PrepareImage, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Make an uploaded image one that starts on its platform, and prove that it does."""
    return _start(caller, asked, JobType.PREPARE, body, dry_run=dry_run)


@router.post("/$publish", status_code=202, response_model=Job, responses=responses(404))
def publish(
    body: PublishImage, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Write a prepared image file to a store of Citrix Provisioning."""
    return _start(caller, asked, JobType.PUBLISH, body, dry_run=dry_run)


@router.post("/$prepareAndPublish", status_code=202, response_model=Job, responses=responses(404))
def prepare_and_publish(
    body: PrepareAndPublishImage, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Prepare an image and write it to a store, with one engine."""
    return _start(caller, asked, JobType.PREPARE_AND_PUBLISH, body, dry_run=dry_run)


@router.post("/$reverseImage", status_code=202, response_model=Job, responses=responses(404))
def reverse_image(
    body: ReverseImage, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Write a vDisk, with the whole chain of its versions, to an image file of the platform."""
    return _start(caller, asked, JobType.REVERSE_IMAGE, body, dry_run=dry_run)


@router.post("/$convertToUefi", status_code=202, response_model=Job, responses=responses(404))
def convert_to_uefi(
    body: ConvertToUefi, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Make a version of a vDisk that UEFI starts, of one that a BIOS does."""
    return _start(caller, asked, JobType.CONVERT_TO_UEFI, body, dry_run=dry_run)


@router.post("/$upgradePvs", status_code=202, response_model=Job, responses=responses(404))
def upgrade_pvs(
    body: UpgradePvs, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Make a version of a vDisk with another target device."""
    return _start(caller, asked, JobType.UPGRADE_PVS, body, dry_run=dry_run)


@router.post("/$migrate", status_code=202, response_model=Job, responses=responses(404))
def migrate(
    body: MigrateImage, caller: Operator, asked: Posted, dry_run: DryRun = False
) -> Response:
    """Make an image one that starts on another platform, or on several, and prove that it does."""
    return _start(caller, asked, JobType.MIGRATE, body, dry_run=dry_run)


def _start(
    caller: Caller, asked: Asked, type: JobType, request: ImageRequest, *, dry_run: bool
) -> Response:
    def effect(tx: Tx) -> Answer:
        places.read_location(tx, caller.customer, request.resource_location_id)
        for id in credential_ids(request):
            credentials.read(tx, caller.customer, id)
        by = f"{caller.name} ({caller.id})"[:128]
        location, parameters = request.resource_location_id, request.as_json()
        new = NewJob(
            caller.customer, location, type, request.platform, parameters, by, dry_run=dry_run
        )
        job = jobs.create(tx, new)
        note(tx, caller, f"job.{type}", job.id)
        return Answer(202, views.job(job, []), f"/ips/jobs/{job.id}")

    answer = asked.once(caller, effect)
    asked.service.bell.ring(request.resource_location_id)
    return answer
