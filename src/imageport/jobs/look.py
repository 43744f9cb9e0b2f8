"""Looking inside an image without changing anything: `inspect`, and the dry run of `migrate`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from imageport.engine.image.build import engine_image
from imageport.host.home import subfolder
from imageport.host.lock import exclusive
from imageport.jobs.blockers import nothing_to_do
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.folder import JobFolder
from imageport.jobs.preflight import SourceFacts, check_output, check_source
from imageport.jobs.report import Reporter
from imageport.jobs.wish import wish
from imageport.jobs.work_disk import base_of, make_work_disk, work_disk
from imageport.model.findings import Finding
from imageport.model.guest import Change, Inspection
from imageport.model.job import MigrateRequest
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


def plan_request(request: MigrateRequest, reporter: Reporter) -> Look:
    """Everything that a migration would check and change. Raises ImageportError."""
    source = check_source(request)
    check_output(request, source)
    controller = hardware_for(request.target, source.firmware).controller
    wanted = wish(request, isolated=LocalPlatform.isolated, controller=controller)
    look = _look(request, source, wanted, reporter)
    return replace(look, plan=()) if nothing_to_do(look.findings) else look


def look_inside(path: Path, reporter: Reporter) -> Look:
    """What is inside an image. Raises ImageportError."""
    # A machine of any target will do to look; AHV's has devices that start on either firmware.
    request = MigrateRequest(source=str(path), target=Target.AHV, output="")
    return _look(request, check_source(request), {}, reporter)


def _look(
    request: MigrateRequest, source: SourceFacts, wanted: dict[str, Any], reporter: Reporter
) -> Look:
    id = f"look-{secrets.token_hex(4)}"
    folder = JobFolder(id, subfolder("jobs", id))
    with exclusive(folder.lock, what=request.source):
        try:
            image = engine_image(reporter.say)
            reporter.step_started("look", f"Look inside {Path(request.source).name}")
            make_work_disk(
                folder,
                base_of(
                    folder, Path(request.source), lambda a, b: reporter.progress(a, b, "bytes")
                ),
            )
            work = EngineWork(
                LocalPlatform(request.target, folder.machine, image),
                folder,
                work_disk(folder),
                source.firmware,
                reporter,
            )
            work.start()
            work.send_libraries(request)
            said = work.run("inspect", wanted)
            findings = said["findings"] or said["inspection"]["findings"]
            return _LOOK.validate_python({"source": source, **said, "findings": findings})
        finally:
            release(id)
            folder.remove()
