"""Jobs on AWS: an image on a share to an EBS snapshot, and back."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from imageport.connector import copying
from imageport.connector.task import Task
from imageport.disk.ends.ebs.api import EbsAccount
from imageport.disk.ends.open import Access
from imageport.jobs import aws
from imageport.jobs.copies import CopyRequest
from imageport.jobs.report import Reporter
from imageport.model.service import JobType
from imageport.platforms.aws.api import AwsApi
from imageport.platforms.aws.regions import check_region
from imageport.wire.aws import ExportFromAws, UploadToAws

_PLAN = TypeAdapter(aws.AwsPlan)


def _upload(task: Task) -> tuple[UploadToAws, aws.SnapshotUpload]:
    said = task.request(UploadToAws)
    options = {f"tag:{name}": value for name, value in said.tags.items()}
    options |= {"encrypted": "yes"} if said.encrypted or said.kms_key_id else {}
    options |= {"kms-key": said.kms_key_id} if said.kms_key_id else {}
    options |= {"description": said.description} if said.description else {}
    parent = said.parent_snapshot_id
    wanted = aws.SnapshotUpload(
        task.order.job, said.input_address, said.aws_region, parent, options
    )
    return said, wanted


def run_upload(task: Task, reporter: Reporter) -> dict[str, Any]:
    """Do it."""
    said, wanted = _upload(task)
    source = task.access(said.input_storage_location)
    key = task.aws_key(said.platform_credential_id)
    again = task.order.attempt > 1
    return aws.upload_snapshot(wanted, source, key, reporter, task.id, again=again)


def plan_upload(task: Task, reporter: Reporter) -> dict[str, Any]:
    """What would be done, and what speaks against it."""
    said, wanted = _upload(task)
    source = task.access(said.input_storage_location)
    key = task.aws_key(said.platform_credential_id)
    return _dumped(aws.plan_upload(wanted, source, key, reporter))


def _export(task: Task) -> tuple[ExportFromAws, CopyRequest]:
    said = task.request(ExportFromAws)
    request = CopyRequest(
        f"ebs://{said.aws_region}/{said.source_snapshot_id}",
        said.output_address,
        said.output_image_format.disk_format,
        overwrite=said.overwrite_target_file,
    )
    return said, request


def run_export(task: Task, reporter: Reporter) -> dict[str, Any]:
    """Do it."""
    said, request = _export(task)
    key = task.aws_key(said.platform_credential_id)
    check_region(AwsApi(EbsAccount(said.aws_region, key)))
    target = task.access(said.output_storage_location)
    copy = copying.Copy(request, Access(key), target, said.hash_disk)
    return copying.run(copy, task, reporter)


def plan_export(task: Task, reporter: Reporter) -> dict[str, Any]:
    """What would be done, and what speaks against it."""
    said, request = _export(task)
    key = task.aws_key(said.platform_credential_id)
    target = task.access(said.output_storage_location)
    return _dumped(aws.plan_export(request, said.aws_region, key, target, reporter))


def _dumped(plan: aws.AwsPlan) -> dict[str, Any]:
    said: dict[str, Any] = _PLAN.dump_python(plan, mode="json")
    return said


KINDS = {
    JobType.EXPORT: (copying.STEPS, run_export, plan_export),
    JobType.UPLOAD: (("hash", "copy", "read-back"), run_upload, plan_upload),
}
"""Steps, and what `Kind` has."""
