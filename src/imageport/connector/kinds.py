"""What each type of job does, by the functions that the commands use, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imageport.connector import changing, copying, diagnosing, publishing
from imageport.connector.task import Task
from imageport.jobs.convert import TITLES as CONVERT_STEPS
from imageport.jobs.diagnostics import TITLES as DIAGNOSTICS_STEPS
from imageport.jobs.migrate import TITLES as MIGRATE_STEPS
from imageport.jobs.report import Reporter
from imageport.model.service import JobType, PlatformName


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of job: its steps, what it does, and what a dry run says. Both raise ImageportError,
    and return what `result` of the job will be."""

    steps: tuple[str, ...]
    run: Callable[[Task, Reporter], dict[str, Any]]
    plan: Callable[[Task, Reporter], dict[str, Any]]


def _copy(what: Callable[[Task], Any]) -> Kind:
    return Kind(
        copying.STEPS,
        lambda task, reporter: copying.run(what(task), task, reporter),
        lambda task, reporter: copying.plan(what(task), reporter),
    )


def _change(what: Callable[[Task], list[changing.Change]]) -> Kind:
    return Kind(
        tuple(MIGRATE_STEPS),
        lambda task, reporter: changing.run(what(task), task, reporter),
        lambda task, reporter: changing.plan(what(task), reporter),
    )


_LOCAL = {
    JobType.EXPORT: _copy(copying.to_share),
    JobType.UPLOAD: _copy(copying.from_share),
    JobType.PREPARE: _change(changing.prepare),
    JobType.PUBLISH: Kind(publishing.STEPS, publishing.run, publishing.plan),
    JobType.PREPARE_AND_PUBLISH: _change(changing.prepare_and_publish),
    JobType.REVERSE_IMAGE: _copy(copying.from_store),
    JobType.CONVERT_TO_UEFI: Kind(
        tuple(CONVERT_STEPS), changing.run_convert, changing.plan_convert
    ),
    JobType.UPGRADE_PVS: _change(changing.upgrade_pvs),
    JobType.DIAGNOSTICS: Kind(tuple(DIAGNOSTICS_STEPS), diagnosing.run, diagnosing.plan),
    JobType.MIGRATE: _change(changing.migrate),
}


def kind_of(platform: PlatformName, type: JobType) -> Kind:
    """The kind of a platform's job."""
    if platform is PlatformName.LOCAL:
        return _LOCAL[type]
    from imageport.connector.on_aws import KINDS  # noqa: PLC0415  # clouds take long to import

    steps, run, plan = KINDS[type]
    return Kind(steps, run, plan)
