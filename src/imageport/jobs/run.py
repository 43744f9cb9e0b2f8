"""Runs a job in this process: begins it, or goes on with one that was killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowHandle, WorkflowStatusString

from imageport import __version__
from imageport.disk.errors import DiskError
from imageport.engine.errors import EngineSilent
from imageport.engine.image.build import engine_image
from imageport.engine.image.recipe import image_key
from imageport.host.lock import exclusive
from imageport.jobs.child import output_format
from imageport.jobs.convert import TITLES as convert_titles
from imageport.jobs.convert import convert
from imageport.jobs.ends import HERE, Ends
from imageport.jobs.errors import BootFailed, BootTimeout, EngineLost, NotVerified
from imageport.jobs.folder import JobFolder, job_folder
from imageport.jobs.migrate import TITLES as migrate_titles
from imageport.jobs.migrate import migrate
from imageport.jobs.migration import CONVERSIONS, MIGRATIONS, JobRun
from imageport.jobs.outputs.base import Output
from imageport.jobs.outputs.open import output_at
from imageport.jobs.preflight import check_output
from imageport.jobs.report import Reporter
from imageport.jobs.source import SourceFacts, check_source
from imageport.model.job import ConvertRequest, JobRequest, MigrateRequest
from imageport.model.proof import ConversionProof, Proof
from imageport.model.target import Target
from imageport.platforms.local.hardware import hardware_for
from imageport.platforms.local.platform import LocalPlatform, release

_STOP_SECONDS = 20.0
_AFTER_A_BOOT = (BootFailed, BootTimeout, NotVerified, EngineSilent, EngineLost)
"""Errors that pictures and serial texts of a boot may explain."""


R = TypeVar("R", bound=JobRequest)
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class _Given(Generic[R]):
    """What a job begins with."""

    request: R
    source: SourceFacts
    ends: Ends
    folder: JobFolder
    output: Output
    reporter: Reporter


@dataclass(frozen=True, slots=True)
class _Kind(Generic[R, P]):
    """A kind of job: its workflow, which finds its run in `runs`, and what is its own."""

    what: str
    proof: type[P]
    workflow: Callable[[str], P]
    runs: dict[str, JobRun[R]]
    target: Callable[[R], Target]
    """Whose hardware the engine's machine has."""
    titles: Mapping[str, str]

    def run(self, request: R, reporter: Reporter, id: str | None = None, ends: Ends = HERE) -> P:
        """Do it and return the proof. Run again after a kill, it goes on.

        Whatever happens but a kill, nothing is left: machines, disks and partial output are
        removed; pictures and serial texts of a boot that failed are kept beside the output. Raises
        ImageportError, and KeyboardInterrupt when the user stops it before the output has its name.

        A job with an `id` of its own that has ended, and whose caller did not come to hear of it,
        returns its proof again.
        """
        folder = job_folder(request, id)
        output = output_at(request.output, ends.output, folder.path, overwrite=request.overwrite)
        proven = self._proven(output, id) if id else None
        if proven:
            return proven
        given = _Given(request, check_source(request, ends.source), ends, folder, output, reporter)
        folder.make(request)
        with exclusive(folder.lock, what=f"the {self.what} to {request.output}"):
            try:
                self._begin_or_continue(given)
                return self._run(self._prepared(given))
            except _AFTER_A_BOOT:
                _keep_evidence(given)
                raise
            finally:
                release(folder.id)
                _remove_unfinished(given)
                folder.remove()

    def _proven(self, output: Output, id: str) -> P | None:
        """The proof of this job's output, if both are there under their own names."""
        proof = output.proven()
        if proof is None or proof.job != id:
            return None
        return proof if isinstance(proof, self.proof) else None

    def _begin_or_continue(self, given: _Given[R]) -> None:
        """Keep what a killed run of this version left of this source, or check and begin afresh."""
        begun = f"{__version__} {image_key()} {given.source.fingerprint}"
        mark = given.folder.path / "begun"
        if mark.exists() and mark.read_text() == begun:
            given.reporter.say(f"Going on with the {self.what} that was interrupted.")
            return
        release(given.folder.id)
        given.folder.empty()
        given.output.remove_unfinished()
        for warning in check_output(given.request, given.source, given.ends, given.output):
            given.reporter.say(f"Warning: {warning}")
        mark.write_text(begun)

    def _prepared(self, given: _Given[R]) -> JobRun[R]:
        image = engine_image(given.reporter.say)
        target = self.target(given.request)
        hardware = hardware_for(target, given.source.firmware)
        format = output_format(given.request, given.source.format)
        named = {"hardware": hardware.name, "target": target, "format": format}
        titles = {name: title.format(**named) for name, title in self.titles.items()}
        return JobRun(
            given.folder,
            given.request,
            titles,
            given.source,
            LocalPlatform(target, given.folder.machine, image),
            hardware,
            image.key,
            given.reporter,
            given.ends,
            given.output,
        )

    def _run(self, run: JobRun[R]) -> P:
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        config: DBOSConfig = {
            "name": "imageport",
            "system_database_url": f"sqlite:///{run.folder.state}",
            "application_version": "imageport",  # what may go on with what is decided above
            "executor_id": "local",
            "log_level": "CRITICAL",
        }
        DBOS(config=config)
        self.runs[run.folder.id] = run
        try:
            DBOS.launch()
            with SetWorkflowID(run.folder.id):
                handle = DBOS.start_workflow(self.workflow, run.folder.id)
            return _result(handle, run)
        finally:
            run.cancel.set()
            DBOS.destroy(workflow_completion_timeout_sec=0)
            del self.runs[run.folder.id]


_MIGRATION: _Kind[MigrateRequest, Proof] = _Kind(
    "migration", Proof, migrate, MIGRATIONS, lambda request: request.target, migrate_titles
)
_CONVERSION: _Kind[ConvertRequest, ConversionProof] = _Kind(
    # AHV's machines have devices that start on either firmware.
    "conversion", ConversionProof, convert, CONVERSIONS, lambda _: Target.AHV, convert_titles
)  # fmt: skip


def run_migration(
    request: MigrateRequest, reporter: Reporter, id: str | None = None, ends: Ends = HERE
) -> Proof:
    """Migrate an image; see `_Kind.run`."""
    return _MIGRATION.run(request, reporter, id, ends)


def run_conversion(
    request: ConvertRequest, reporter: Reporter, id: str | None = None, ends: Ends = HERE
) -> ConversionProof:
    """Convert an image to UEFI; see `_Kind.run`."""
    return _CONVERSION.run(request, reporter, id, ends)


def _result(handle: WorkflowHandle[P], run: JobRun[R]) -> P:
    """The proof; also when the user stops it in the moment in which everything is done already."""
    try:
        return handle.get_result()
    except KeyboardInterrupt:
        _stop(handle, run)
        if handle.get_status().status == WorkflowStatusString.SUCCESS.value:
            return handle.get_result()
        raise


def _stop(handle: WorkflowHandle[P], run: JobRun[R]) -> None:
    """End the workflow: it fails at its next step, or its next look at the machine or the copy."""
    run.cancel.set()
    deadline = time.monotonic() + _STOP_SECONDS
    while (
        handle.get_status().status == WorkflowStatusString.PENDING.value
        and time.monotonic() < deadline
    ):
        release(run.folder.id)
        time.sleep(0.1)


def _keep_evidence(given: _Given[R]) -> None:
    if not any(given.folder.evidence.iterdir()):
        return
    try:
        kept = given.output.keep_evidence(given.folder.evidence)
    except (OSError, DiskError) as error:
        # The disk being full is often why the migration failed: that is what has to be said.
        detail = error.strerror if isinstance(error, OSError) else error.message
        given.reporter.say(f"Pictures and serial texts could not be kept: {detail}")
    else:
        given.reporter.say(f"Pictures and serial texts were kept in {kept}")


def _remove_unfinished(given: _Given[R]) -> None:
    try:
        given.output.remove_unfinished()
    except DiskError as error:
        # How the job ended has to be said.
        given.reporter.say(f"Warning: an unfinished file may be left: {error.message}")
