"""The job that publishes a vDisk."""

from __future__ import annotations

from typing import Any

from imageport.connector.task import Task
from imageport.jobs.ends import Ends
from imageport.jobs.md5 import content_md5
from imageport.jobs.publish import plan_publication, publish_disk
from imageport.jobs.report import Reporter
from imageport.platforms.pvs.publish import NewVdisk
from imageport.wire.images import PublishImage

STEPS = ("look", "hash", "copy")


def _wanted(task: Task) -> tuple[str, str, NewVdisk, Ends]:
    said = task.request(PublishImage)
    new = NewVdisk(
        said.output_image_filename,
        said.output_image_format.disk_format,
        overwrite=said.overwrite_target_file,
    )
    ends = Ends(output=task.access(said.output_storage_location))
    store = said.output_storage_location.location.rstrip("/")
    return task.place(said.source_disk_name), store, new, ends


def run(task: Task, reporter: Reporter) -> dict[str, Any]:
    """Do it."""
    source, store, new, ends = _wanted(task)
    again = task.order.attempt > 1
    if not again:
        for warning in plan_publication(source, store, new, ends, reporter)["warnings"]:
            reporter.say(f"Warning: {warning}")
    hashed = task.request(PublishImage).hash_disk
    md5 = {"md5": content_md5(source, ends.source, reporter)} if hashed else {}
    # An earlier attempt may have ended this very publication, and not come to say so.
    done = publish_disk(source, store, new, ends, reporter, task.id, take_same=again)
    return done | md5


def plan(task: Task, reporter: Reporter) -> dict[str, Any]:
    """What would be done, and what speaks against it."""
    return plan_publication(*_wanted(task), reporter)
