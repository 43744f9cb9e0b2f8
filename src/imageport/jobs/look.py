"""Looking inside an image without changing anything: `inspect`, and dry runs."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter

from imageport.engine.image.build import engine_image
from imageport.host.home import subfolder
from imageport.host.lock import exclusive
from imageport.jobs.blockers import nothing_to_do
from imageport.jobs.ends import HERE, Ends
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.folder import JobFolder
from imageport.jobs.outputs.open import output_at
from imageport.jobs.preflight import check_output
from imageport.jobs.report import Reporter
from imageport.jobs.source import SourceFacts, check_source
from imageport.jobs.wish import conversion_wish, wish
from imageport.jobs.work_disk import base_of, make_work_disk, work_disk
from imageport.model.conversion import ConversionPlan
from imageport.model.findings import Finding
from imageport.model.guest import Change, Inspection
from imageport.model.job import ConvertRequest, JobRequest, MigrateRequest
from imageport.model.target import Target
from imageport.platforms.local.hardware import hardware_for
from imageport.platforms.local.platform import LocalPlatform, release


@dataclass(frozen=True, slots=True)
class Look:
    """What is inside; with a target, what a migration would change and what stands in its way."""

    source: SourceFacts
    inspection: Inspection
    findings: tuple[Finding, ...]
    plan: tuple[Change, ...]


_LOOK = TypeAdapter(Look)
_PLAN = TypeAdapter(ConversionPlan)


def plan_request(request: MigrateRequest, reporter: Reporter, ends: Ends = HERE) -> Look:
    """Everything that a migration would check and change. Raises ImageportError."""
    source = _checked(request, reporter, ends)
    controller = hardware_for(request.target, source.firmware).controller
    wanted = wish(request, isolated=LocalPlatform.isolated, controller=controller)
    look = _look(request, source, wanted, reporter, ends)
    return replace(look, plan=()) if nothing_to_do(look.findings) else look


def look_inside(path: Path, reporter: Reporter) -> Look:
    """What is inside an image. Raises ImageportError."""
    # A machine of any target will do to look; AHV's has devices that start on either firmware.
    request = MigrateRequest(source=str(path), target=Target.AHV, output="")
    return _look(request, check_source(request), {}, reporter, HERE)


def _checked(request: JobRequest, reporter: Reporter, ends: Ends) -> SourceFacts:
    """What is checked before any work."""
    source = check_source(request, ends.source)
    with tempfile.TemporaryDirectory(dir=subfolder("jobs")) as scratch:
        output = output_at(request.output, ends.output, Path(scratch), overwrite=request.overwrite)
        for warning in check_output(request, source, ends, output):
            reporter.say(f"Warning: {warning}")
    return source


def plan_conversion(
    request: ConvertRequest, reporter: Reporter, ends: Ends = HERE
) -> ConversionPlan:
    """Everything that a conversion to UEFI would check and change. Raises ImageportError."""
    source = _checked(request, reporter, ends)
    # As above, any target's machine will do.
    return _PLAN.validate_python(
        _asked(
            request,
            Target.AHV,
            source,
            "plan-conversion",
            conversion_wish(request, source),
            reporter,
            ends,
        )
    )


def _look(
    request: MigrateRequest,
    source: SourceFacts,
    wish: dict[str, Any],
    reporter: Reporter,
    ends: Ends,
) -> Look:
    said = _asked(request, request.target, source, "inspect", wish, reporter, ends)
    findings = said["findings"] or said["inspection"]["findings"]
    return _LOOK.validate_python({"source": source, **said, "findings": findings})


def _asked(  # noqa: PLR0913, PLR0917  # a job that has no folder of its own to say these
    request: JobRequest,
    target: Target,
    source: SourceFacts,
    command: str,
    args: dict[str, Any],
    reporter: Reporter,
    ends: Ends,
) -> Any:
    """What an engine of its own answers to one command on the source; nothing is left of it."""
    id = f"look-{secrets.token_hex(4)}"
    folder = JobFolder(id, subfolder("jobs", id))
    with exclusive(folder.lock, what=request.source):
        try:
            image = engine_image(reporter.say)
            reporter.step_started("look", f"Look inside {PurePosixPath(request.source).name}")
            base = base_of(
                folder,
                request.source,
                ends,
                lambda done, total: reporter.progress(done, total, "bytes"),
            )
            make_work_disk(folder, base)
            work = EngineWork(
                LocalPlatform(target, folder.machine, image),
                folder,
                work_disk(folder),
                source.firmware,
                reporter,
            )
            work.start()
            if isinstance(request, MigrateRequest):
                work.send_libraries(request)
            return work.run(command, args)
        finally:
            release(id)
            folder.remove()
