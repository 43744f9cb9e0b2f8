"""Jobs that move an image as it is: export and publish to a share, upload and reverse from one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from imageport.connector.task import Task
from imageport.disk.ends.open import Access
from imageport.jobs.copies import CopyRequest, copy_disk, drop_copy
from imageport.jobs.copy_plan import CopyPlan, plan_copy
from imageport.jobs.md5 import content_md5
from imageport.jobs.report import Reporter
from imageport.jobs.vdisk import readable_version
from imageport.model.errors import ImageportError
from imageport.wire.images import ExportImage, ReverseImage, UploadImage

STEPS = ("look", "hash", "copy", "read-back")
_PLAN = TypeAdapter(CopyPlan)


@dataclass(frozen=True, slots=True)
class Copy:
    """What is copied where, and whether the MD5 of its content is asked for."""

    request: CopyRequest
    source: Access
    target: Access
    md5: bool = False


def to_share(task: Task) -> Copy:
    """An export."""
    said = task.request(ExportImage)
    request = CopyRequest(
        task.place(said.source_disk_name),
        said.output_address,
        said.output_image_format.disk_format,
        overwrite=said.overwrite_target_file,
    )
    access = task.access(said.output_storage_location)
    return Copy(request, task.access(None), access, said.hash_disk)


def from_share(task: Task) -> Copy:
    """An upload."""
    return _from_share(task, task.request(UploadImage))


def _from_share(task: Task, said: UploadImage) -> Copy:
    target = task.place(said.output_disk_name)
    request = CopyRequest(said.input_address, target, overwrite=said.overwrite_target_file)
    return Copy(request, task.access(said.input_storage_location), task.access(None))


def from_store(task: Task) -> Copy:
    """The reversal of a vDisk, of which nobody may write to meanwhile."""
    said = task.request(ReverseImage)
    copy = _from_share(task, said)
    source = readable_version(said.vdisk_address, copy.source, ignore_lock=said.ignore_lock)
    return replace(copy, request=replace(copy.request, source=source))


def run(copy: Copy, task: Task, reporter: Reporter) -> dict[str, Any]:
    """Do it."""
    id, again = task.id, task.order.attempt > 1
    if not again:
        for found in plan_copy(copy.request, copy.source, copy.target, reporter).findings:
            reporter.say(f"Warning: {found.sentence} {found.remedy}")
    try:
        md5 = content_md5(copy.request.source, copy.source, reporter) if copy.md5 else None
        ends = (copy.source, copy.target)
        done = copy_disk(copy.request, *ends, reporter, take_same=again, id=id).as_dict()
        return done | ({"md5": md5} if md5 else {})
    except (ImageportError, KeyboardInterrupt):
        # The job ends here: nobody comes to go on with what it has written.
        try:
            drop_copy(copy.request, copy.source, copy.target, id)
        except ImageportError as error:
            reporter.say(f"Warning: an unfinished file may be left: {error.message}")
        raise


def plan(copy: Copy, reporter: Reporter) -> dict[str, Any]:
    """What would be done, and what speaks against it."""
    found = plan_copy(copy.request, copy.source, copy.target, reporter)
    said: dict[str, Any] = _PLAN.dump_python(found, mode="json")
    return said
