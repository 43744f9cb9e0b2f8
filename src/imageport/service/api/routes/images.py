"""`POST /ips/images/$...`: starts a job. Only jobs that really run are here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from imageport.model.service import JobType
from imageport.service.api import views
from imageport.service.api.auth import Caller, Operator
from imageport.service.api.once import Answer, Asked, Posted, note
from imageport.service.api.problems import located, responses
from imageport.service.store import credentials, jobs, places
from imageport.service.store.database import Tx
from imageport.service.store.jobs import NewJob
from imageport.traces import base as traces
from imageport.wire.documents import Job
from imageport.wire.images import (
    CollectDiagnostics,
    ConvertToUefi,
    ExportRequest,
    ImageRequest,
    MigrateImage,
    PrepareAndPublishImage,
    PrepareImage,
    PublishImage,
    ReverseImage,
    UpgradePvs,
    UploadRequest,
    credential_ids,
)

router = APIRouter(prefix="/ips/images", tags=["images"])

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What every job is started with beside its own request."""

    caller: Caller
    asked: Asked
    dry_run: bool
    traceparent: str | None

    def job(self, type: JobType, request: ImageRequest) -> Response:
        """Queue it, as a part of the caller's trace."""
        route = f"/ips/images/${type}"
        said = {
            traces.CUSTOMER: self.caller.customer,
            traces.TYPE: type.value,
            traces.DRY_RUN: self.dry_run,
            "http.request.method": "POST",
            "http.route": route,
        }
        begun = traces.Begun(
            traces.Part.SERVICE,
            f"POST {route}",
            self.traceparent,
            traces.Kind.SERVER,
            attributes=said,
        )
        with traces.during(self.asked.service.traces.begin(begun)) as span:
            answer = self._queue(type, request, span)
            span.set({"http.response.status_code": answer.status_code})
            return answer

    def _queue(self, type: JobType, request: ImageRequest, span: traces.Span) -> Response:
        location = request.resource_location_id

        def effect(tx: Tx) -> Answer:
            places.read_location(tx, self.caller.customer, location)
            for id in credential_ids(request):
                credentials.read(tx, self.caller.customer, id)
            job = jobs.create(tx, self._new(type, request, span))
            span.set({traces.JOB: job.id})
            told = traces.log_extra(job.id, job.trace)
            _LOG.info("job %s: taken in (%s)", job.id, type, extra=told)
            note(tx, self.caller, f"job.{type}", job.id)
            return Answer(202, views.job(job, []), f"/ips/jobs/{job.id}")

        answer = self.asked.once(self.caller, effect)
        self.asked.service.bell.ring(location)
        return answer

    def _new(self, type: JobType, request: ImageRequest, span: traces.Span) -> NewJob:
        return NewJob(
            customer=self.caller.customer,
            location=request.resource_location_id,
            type=type,
            platform=request.platform,
            request=request.as_json(),
            created_by=f"{self.caller.name} ({self.caller.id})"[:128],
            dry_run=self.dry_run,
            trace=span.traceparent,
        )


def _start(
    caller: Operator,
    asked: Posted,
    dry_run: Annotated[
        bool, Query(alias="dryRun", description="Check everything, change nothing, and say it.")
    ] = False,
    traceparent: Annotated[
        str | None, Header(description="W3C Trace Context: the trace that the job belongs to.")
    ] = None,
) -> Start:
    # A traceparent that is malformed is as none, as its specification demands.
    return Start(caller, asked, dry_run, traceparent)


Starting = Annotated[Start, Depends(_start)]

_STARTED = {**located(202, "The job that was started"), **responses(404)}


@router.post("/$export", status_code=202, response_model=Job, responses=_STARTED)
def export_image(body: ExportRequest, start: Starting) -> Response:
    """Write a disk of the platform to a share as VHD or VHDX."""
    return start.job(JobType.EXPORT, body)


@router.post("/$upload", status_code=202, response_model=Job, responses=_STARTED)
def upload_image(body: UploadRequest, start: Starting) -> Response:
    """Write an image on a share to a disk of the platform."""
    return start.job(JobType.UPLOAD, body)


@router.post("/$prepare", status_code=202, response_model=Job, responses=_STARTED)
def prepare_image(body: PrepareImage, start: Starting) -> Response:
    """Make an uploaded image one that starts on its platform, and prove that it does."""
    return start.job(JobType.PREPARE, body)


@router.post("/$publish", status_code=202, response_model=Job, responses=_STARTED)
def publish_image(body: PublishImage, start: Starting) -> Response:
    """Write a prepared image file to a store of Citrix Provisioning."""
    return start.job(JobType.PUBLISH, body)


@router.post("/$prepareAndPublish", status_code=202, response_model=Job, responses=_STARTED)
def prepare_and_publish_image(body: PrepareAndPublishImage, start: Starting) -> Response:
    """Prepare an image and write it to a store, with one engine."""
    return start.job(JobType.PREPARE_AND_PUBLISH, body)


@router.post("/$reverseImage", status_code=202, response_model=Job, responses=_STARTED)
def reverse_image(body: ReverseImage, start: Starting) -> Response:
    """Write a vDisk, with the whole chain of its versions, to an image file of the platform."""
    return start.job(JobType.REVERSE_IMAGE, body)


@router.post("/$convertToUefi", status_code=202, response_model=Job, responses=_STARTED)
def convert_to_uefi(body: ConvertToUefi, start: Starting) -> Response:
    """Make a version of a vDisk that UEFI starts, of one that a BIOS does."""
    return start.job(JobType.CONVERT_TO_UEFI, body)


@router.post("/$upgradePvs", status_code=202, response_model=Job, responses=_STARTED)
def upgrade_pvs(body: UpgradePvs, start: Starting) -> Response:
    """Make a version of a vDisk with another target device."""
    return start.job(JobType.UPGRADE_PVS, body)


@router.post("/$diagnostics", status_code=202, response_model=Job, responses=_STARTED)
def collect_diagnostics(body: CollectDiagnostics, start: Starting) -> Response:
    """Write the logs of a disk, such as one whose job failed, to a share."""
    return start.job(JobType.DIAGNOSTICS, body)


@router.post("/$migrate", status_code=202, response_model=Job, responses=_STARTED)
def migrate_image(body: MigrateImage, start: Starting) -> Response:
    """Make an image one that starts on another platform, or on several, and prove that it does."""
    return start.job(JobType.MIGRATE, body)
