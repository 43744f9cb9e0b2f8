"""Jobs that change what is inside an image: prepare, migrate, and versions of vDisks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from imageport.connector.errors import TargetsFailed
from imageport.connector.task import Task
from imageport.host.home import jobs_folder
from imageport.host.lock import exclusive
from imageport.jobs.ends import Ends
from imageport.jobs.errors import NothingToDo
from imageport.jobs.folder import JobFolder
from imageport.jobs.look import Look, plan_conversion, plan_request
from imageport.jobs.md5 import require_md5
from imageport.jobs.proof import PROOFS
from imageport.jobs.publish import store_at
from imageport.jobs.report import Reporter
from imageport.jobs.run import run_conversion, run_migration
from imageport.model.conversion import ConversionPlan
from imageport.model.errors import ImageportError
from imageport.model.job import ConvertRequest, MigrateRequest
from imageport.model.target import Provisioning
from imageport.model.wishes import GuestWishes, Operation
from imageport.platforms.pvs.publish import NewVdisk, check, set_aside
from imageport.wire.guest import TARGETS, GuestRequest
from imageport.wire.images import (
    ConvertToUefi,
    MigrateImage,
    MigrateTarget,
    PrepareAndPublishImage,
    PrepareImage,
    UpgradePvs,
)
from imageport.wire.stored import EitherInput

_LOOK = TypeAdapter(Look)
_CONVERSION_PLAN = TypeAdapter(ConversionPlan)
_MIGRATION = TypeAdapter(MigrateRequest)


@dataclass(frozen=True, slots=True)
class Change:
    """A migration, what it takes to reach its ends, and the MD5 that its source must have."""

    request: MigrateRequest
    ends: Ends
    md5: str | None = None
    vdisk: tuple[str, NewVdisk] | None = None
    """The store that the output goes to, and what it is there."""

    def check(self) -> None:
        """Whether the vDisk can be written. Raises `StoreError`."""
        if self.vdisk:
            store, new = self.vdisk
            check(store_at(store, self.ends), new)

    def tidy(self) -> None:
        """Set aside what describes the vDisk that was replaced."""
        if self.vdisk and self.request.overwrite:
            store, new = self.vdisk
            set_aside(store_at(store, self.ends), new.name)


def prepare(task: Task) -> list[Change]:
    """To a disk of the platform."""
    said = task.request(PrepareImage)
    change = _change(task, said, said, task.place(said.output_disk_name))
    request = replace(change.request, overwrite=said.overwrite_target_file)
    return [replace(change, request=request, md5=said.md5_hash)]


def prepare_and_publish(task: Task) -> list[Change]:
    """To a store."""
    said = task.request(PrepareAndPublishImage)
    change = _change(task, said, said, said.output_address)
    format = said.output_image_format.disk_format
    request = replace(change.request, format=format, overwrite=said.overwrite_target_file)
    ends = replace(change.ends, output=task.access(said.output_storage_location))
    store = said.output_storage_location.location.rstrip("/")
    new = NewVdisk(said.output_image_filename, format, overwrite=request.overwrite)
    vdisk = (store, new)
    return [replace(change, request=request, ends=ends, md5=said.md5_hash, vdisk=vdisk)]


def migrate(task: Task) -> list[Change]:
    """To one target, or to several."""
    said = task.request(MigrateImage)
    targets: list[MigrateImage | MigrateTarget] = [said, *said.additional_targets]
    return [_migration(task, said, each) for each in targets]


def _migration(task: Task, source: EitherInput, target: MigrateImage | MigrateTarget) -> Change:
    change = _change(task, source, target, task.place(target.output_address))
    overwrite = target.overwrite_target_file
    request = replace(change.request, format=target.output_format, overwrite=overwrite)
    ends = replace(change.ends, output=task.access(target.output_storage_location))
    return replace(change, request=request, ends=ends)


def _change(task: Task, source: EitherInput, guest: GuestRequest, output: str) -> Change:
    request = MigrateRequest(
        source=task.place(source.input_address),
        target=guest.target,
        output=output,
        provisioning=guest.provisioning,
        firmware=guest.firmware,
        drivers=task.folders.maybe_inside(guest.driver_library),
        components=task.folders.maybe_inside(guest.component_source),
        wishes=guest.wishes,
        try_untouched=guest.try_untouched,
        boot_seconds=float(guest.boot_timeout),
    )
    return Change(request, Ends(task.access(source.input_storage_location)))


def upgrade_pvs(task: Task) -> list[Change]:
    """To a version beside its parent."""
    said = task.request(UpgradePvs)
    access = task.access(said.input_storage_location)
    request = MigrateRequest(
        source=said.input_address,
        target=TARGETS[said.target_platform],
        output=said.output_address,
        provisioning=Provisioning.PVS,
        firmware=said.firmware,
        components=task.folders.inside(said.component_source),
        wishes=GuestWishes(install_pvs=said.install_pvs, pvs_downgrade=said.allow_downgrade),
        try_untouched=False,
        boot_seconds=float(said.boot_timeout),
        operation=Operation.UPGRADE_PVS,
        ignore_lock=said.ignore_lock,
        overwrite=said.overwrite_output,
    )
    return [Change(request, Ends(access, access))]


def run(changes: list[Change], task: Task, reporter: Reporter) -> dict[str, Any]:
    """Do them; of several, one after another, whatever becomes of the others."""
    if task.order.attempt == 1:
        for change in changes:
            change.check()
    if len(changes) == 1:
        return _run(changes[0], reporter, task.id)
    results = []
    with _shared(task, changes) as shared:
        for number, change in enumerate(shared):
            task.part(number, len(changes))
            results.append(_part(change, reporter, f"{task.id}-{number}"))
    if any(each["status"] == "error" for each in results):
        raise TargetsFailed(results)
    return {"targets": results}


def _run(change: Change, reporter: Reporter, id: str) -> dict[str, Any]:
    if change.md5:
        require_md5(change.request.source, change.ends.source, change.md5, reporter)
    try:
        proof = run_migration(change.request, reporter, id, change.ends)
    except NothingToDo as idle:
        return {"nothing_to_do": idle.as_dict()}
    change.tidy()
    done: dict[str, Any] = PROOFS.dump_python(proof, mode="json")
    return done


def _part(change: Change, reporter: Reporter, id: str) -> dict[str, Any]:
    target, output = change.request.target, change.request.output
    said = {"target": str(target), "output": output}
    reporter.say(f"To {target}: {output}")
    try:
        return said | {"status": "complete", "proof": _run(change, reporter, id)}
    except ImageportError as error:
        reporter.say(f"Warning: {target} failed: {error.message}")
        return said | {"status": "error", "error": error.as_dict()}


@contextmanager
def _shared(task: Task, changes: list[Change]) -> Iterator[list[Change]]:
    """What has to be copied of the source is copied once, for all of them."""
    folder = JobFolder(task.id, jobs_folder() / task.id)
    folder.path.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.lock, what=f"the job {task.order.job}"):
        base = folder.base_disk
        try:
            yield [replace(each, ends=replace(each.ends, base=base)) for each in changes]
        finally:
            folder.remove()


def plan(changes: list[Change], reporter: Reporter) -> dict[str, Any]:
    """What would be done, and what speaks against it."""
    plans = [_plan(each, reporter) for each in changes]
    return plans[0] if len(plans) == 1 else {"targets": plans}


def _plan(change: Change, reporter: Reporter) -> dict[str, Any]:
    change.check()
    look = plan_request(change.request, reporter, change.ends)
    said: dict[str, Any] = _LOOK.dump_python(look, mode="json")
    return said | {"request": _MIGRATION.dump_python(change.request, mode="json")}


def run_convert(task: Task, reporter: Reporter) -> dict[str, Any]:
    """A vDisk for UEFI, as a child of one for a BIOS."""
    request, ends = _conversion(task)
    proof = run_conversion(request, reporter, task.id, ends)
    done: dict[str, Any] = PROOFS.dump_python(proof, mode="json")
    return done


def plan_convert(task: Task, reporter: Reporter) -> dict[str, Any]:
    """What would be done, and what speaks against it."""
    request, ends = _conversion(task)
    found = plan_conversion(request, reporter, ends)
    said: dict[str, Any] = _CONVERSION_PLAN.dump_python(found, mode="json")
    return said


def _conversion(task: Task) -> tuple[ConvertRequest, Ends]:
    said = task.request(ConvertToUefi)
    access = task.access(said.input_storage_location)
    request = ConvertRequest(
        said.input_address, said.output_address, overwrite=said.overwrite_output
    )
    return request, Ends(access, access)
