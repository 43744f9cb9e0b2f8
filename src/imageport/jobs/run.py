"""Runs a migration in this process: begins it, or goes on with one that was killed."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowHandle, WorkflowStatusString

from imageport import __version__
from imageport.engine.errors import EngineSilent
from imageport.engine.image.build import engine_image
from imageport.engine.image.recipe import image_key
from imageport.host.lock import exclusive
from imageport.jobs.errors import BootFailed, BootTimeout, EngineLost, NotVerified
from imageport.jobs.folder import JobFolder, job_folder
from imageport.jobs.migrate import migrate
from imageport.jobs.migration import MIGRATIONS, Migration
from imageport.jobs.output import remove_unfinished
from imageport.jobs.preflight import SourceFacts, check_output, check_source, failure_folder
from imageport.jobs.report import Reporter
from imageport.model.job import MigrateRequest
from imageport.model.proof import Proof
from imageport.platforms.local.hardware import hardware_for
from imageport.platforms.local.platform import LocalPlatform, release

_STOP_SECONDS = 20.0
_AFTER_A_BOOT = (BootFailed, BootTimeout, NotVerified, EngineSilent, EngineLost)
"""Errors that pictures and serial texts of a boot may explain."""


def run_migration(request: MigrateRequest, reporter: Reporter) -> Proof:
    """Migrate an image and return the proof. Run again after a kill, it goes on.

    Whatever happens but a kill, nothing is left: machines, disks and partial output are removed;
    pictures and serial texts of a boot that failed are kept beside the output. Raises
    ImageportError, and KeyboardInterrupt when the user stops it before the output has its name.
    """
    source = check_source(request)
    folder = job_folder(request)
    with exclusive(folder.lock, what=f"the migration to {request.output}"):
        try:
            _begin_or_continue(folder, source, reporter)
            return _run(_migration(folder, source, reporter))
        except _AFTER_A_BOOT:
            _keep_evidence(folder, reporter)
            raise
        finally:
            release(folder.id)
            remove_unfinished(Path(request.output))
            folder.remove()


def _begin_or_continue(folder: JobFolder, source: SourceFacts, reporter: Reporter) -> None:
    """Keep what a killed run of this version left of this source, or check and begin afresh."""
    begun = f"{__version__} {image_key()} {source.fingerprint}"
    mark = folder.path / "begun"
    if mark.exists() and mark.read_text() == begun:
        reporter.say("Going on with the migration that was interrupted.")
        return
    release(folder.id)
    folder.empty()
    remove_unfinished(Path(folder.request.output))
    check_output(folder.request, source)
    mark.write_text(begun)


def _migration(folder: JobFolder, source: SourceFacts, reporter: Reporter) -> Migration:
    image = engine_image(reporter.say)
    request = folder.request
    return Migration(
        folder,
        request,
        source,
        LocalPlatform(request.target, folder.machine, image),
        hardware_for(request.target, source.firmware),
        image.key,
        reporter,
    )


def _run(run: Migration) -> Proof:
    logging.getLogger("dbos").setLevel(logging.CRITICAL)
    config: DBOSConfig = {
        "name": "imageport",
        "system_database_url": f"sqlite:///{run.folder.state}",
        "application_version": "imageport",  # what may go on with what is decided above
        "executor_id": "local",
        "log_level": "CRITICAL",
    }
    DBOS(config=config)
    MIGRATIONS[run.folder.id] = run
    try:
        DBOS.launch()
        with SetWorkflowID(run.folder.id):
            handle = DBOS.start_workflow(migrate, run.folder.id)
        return _result(handle, run)
    finally:
        run.cancel.set()
        DBOS.destroy(workflow_completion_timeout_sec=0)
        del MIGRATIONS[run.folder.id]


def _result(handle: WorkflowHandle[Proof], run: Migration) -> Proof:
    """The proof; also when the user stops it in the moment in which everything is done already."""
    try:
        return handle.get_result()
    except KeyboardInterrupt:
        _stop(handle, run)
        if handle.get_status().status == WorkflowStatusString.SUCCESS.value:
            return handle.get_result()
        raise


def _stop(handle: WorkflowHandle[Proof], run: Migration) -> None:
    """End the workflow: it fails at its next step, or its next look at the machine or the copy."""
    run.cancel.set()
    deadline = time.monotonic() + _STOP_SECONDS
    while (
        handle.get_status().status == WorkflowStatusString.PENDING.value
        and time.monotonic() < deadline
    ):
        release(run.folder.id)
        time.sleep(0.1)


def _keep_evidence(folder: JobFolder, reporter: Reporter) -> None:
    kept = failure_folder(Path(folder.request.output))
    if not any(folder.evidence.iterdir()):
        return
    shutil.rmtree(kept, ignore_errors=True)
    try:
        shutil.copytree(folder.evidence, kept)
    except OSError as error:
        # The disk being full is often why the migration failed: that is what has to be said.
        shutil.rmtree(kept, ignore_errors=True)
        detail = error.strerror or "it cannot be written"
        reporter.say(f"Pictures and serial texts could not be kept in {kept}: {detail}")
    else:
        reporter.say(f"Pictures and serial texts were kept in {kept}")
