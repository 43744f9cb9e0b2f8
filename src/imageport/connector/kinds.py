"""What each type of job does, by the functions that the commands use, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from imageport.connector.errors import CredentialMissing
from imageport.connector.folders import Folders
from imageport.connector.names import folder_name
from imageport.connector.talk import Order
from imageport.disk.ends.open import Access
from imageport.jobs.copies import CopyRequest, copy_disk, drop_copy
from imageport.jobs.export import ExportPlan, plan_export
from imageport.jobs.look import Look, plan_request
from imageport.jobs.migrate import TITLES
from imageport.jobs.proof import PROOFS
from imageport.jobs.report import Reporter
from imageport.jobs.run import run_migration
from imageport.model.credentials import UsernamePassword
from imageport.model.errors import ImageportError
from imageport.model.job import MigrateRequest
from imageport.model.service import JobType
from imageport.wire.credentials import CREDENTIAL, UsernamePasswordCredential
from imageport.wire.images import ExportImage, MigrateImage

_LOOK = TypeAdapter(Look)
_REQUEST = TypeAdapter(MigrateRequest)
_EXPORT = TypeAdapter(ExportPlan)


@dataclass(frozen=True, slots=True)
class Task:
    """An order, and what it may touch."""

    order: Order
    folders: Folders

    def account(self, id: str) -> UsernamePassword:
        """A credential of that type. Raises CredentialMissing."""
        said = self.order.credentials.get(id)
        found = CREDENTIAL.validate_json(said) if said else None
        if not isinstance(found, UsernamePasswordCredential):
            raise CredentialMissing(id=id)
        return UsernamePassword(found.username, found.password, found.domain)


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of job: its steps, what it does, and what a dry run says. Both raise ImageportError,
    and return what `result` of the job will be."""

    steps: tuple[str, ...]
    run: Callable[[Task, Reporter], dict[str, Any]]
    plan: Callable[[Task, Reporter], dict[str, Any]]


def _migration(task: Task) -> MigrateRequest:
    request = MigrateImage.model_validate(task.order.request).migration()
    return replace(
        request,
        source=task.folders.inside(request.source),
        output=task.folders.inside(request.output),
        drivers=task.folders.maybe_inside(request.drivers),
        components=task.folders.maybe_inside(request.components),
    )


def _migrate(task: Task, reporter: Reporter) -> dict[str, Any]:
    request = _migration(task)
    proof = run_migration(request, reporter, folder_name(task.order.job))
    done: dict[str, Any] = PROOFS.dump_python(proof, mode="json")
    return done


def _plan_migration(task: Task, reporter: Reporter) -> dict[str, Any]:
    request = _migration(task)
    look: dict[str, Any] = _LOOK.dump_python(plan_request(request, reporter), mode="json")
    return look | {"request": _REQUEST.dump_python(request, mode="json")}


def _export_request(task: Task) -> tuple[CopyRequest, UsernamePassword]:
    said = ExportImage.model_validate(task.order.request)
    source = task.folders.inside(said.source_disk_name)
    request = CopyRequest(source, said.address, said.output_image_format.disk_format)
    return request, task.account(said.output_storage_location.credential_id)


def _export(task: Task, reporter: Reporter) -> dict[str, Any]:
    request, account = _export_request(task)
    ends = Access(), Access(account)
    id, again = folder_name(task.order.job), task.order.attempt > 1
    try:
        return copy_disk(request, *ends, reporter, take_same=again, id=id).as_dict()
    except (ImageportError, KeyboardInterrupt):
        # The job ends here: nobody comes to go on with what it has written.
        try:
            drop_copy(request, *ends, id)
        except ImageportError as error:
            reporter.say(f"Warning: an unfinished file may be left on the share: {error.message}")
        raise


def _plan_export(task: Task, reporter: Reporter) -> dict[str, Any]:
    plan: dict[str, Any] = _EXPORT.dump_python(
        plan_export(*_export_request(task), reporter), mode="json"
    )
    return plan


KINDS = {
    JobType.MIGRATE: Kind(tuple(TITLES), _migrate, _plan_migration),
    JobType.EXPORT: Kind(("copy", "read-back"), _export, _plan_export),
}
