"""Runs a job in this process: begins it, or goes on with one that was killed."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowHandle, WorkflowStatusString

from imageport import __version__
from imageport.disk.ends.open import Access
from imageport.engine.errors import EngineSilent
from imageport.engine.image.build import engine_image
from imageport.engine.image.recipe import image_key
from imageport.host.lock import exclusive
from imageport.jobs.child import output_format
from imageport.jobs.convert import TITLES as convert_titles
from imageport.jobs.convert import convert
from imageport.jobs.errors import BootFailed, BootTimeout, EngineLost, NotVerified
from imageport.jobs.folder import JobFolder, job_folder
from imageport.jobs.migrate import TITLES as migrate_titles
from imageport.jobs.migrate import migrate
from imageport.jobs.migration import CONVERSIONS, MIGRATIONS, JobRun
from imageport.jobs.output import remove_unfinished
from imageport.jobs.preflight import (
    SourceFacts,
    check_output,
    check_source,
    failure_folder,
    proof_folder,
)
from imageport.jobs.proof import read_proof
from imageport.jobs.report import Reporter
from imageport.model.errors import ImageportError
from imageport.model.job import ConvertRequest, JobRequest, MigrateRequest
from imageport.model.proof import ConversionProof, Proof
from imageport.model.target import Target
from imageport.platforms.local.hardware import hardware_for
from imageport.platforms.local.platform import LocalPlatform, release

_HERE = Access()
_STOP_SECONDS = 20.0
_AFTER_A_BOOT = (BootFailed, BootTimeout, NotVerified, EngineSilent, EngineLost)
"""Errors that pictures and serial texts of a boot may explain."""


R = TypeVar("R", bound=JobRequest)
P = TypeVar("P")
R_contra = TypeVar("R_contra", bound=JobRequest, contravariant=True)
P_co = TypeVar("P_co", covariant=True)


class Output(Protocol[R_contra, P_co]):
    """How what a job of one kind makes is checked for, found made already, and tidied up.

    `id` is the job's; `access` is what it takes to reach an output elsewhere.
    """

    def check(self, request: R_contra, id: str, source: SourceFacts, access: Access) -> None:
        """Raise ImageportError when the output could not be written; a new job asks."""

    def proven(self, request: R_contra, id: str, access: Access) -> P_co | None:
        """The result of this very job, if its output is there under its own name."""

    def remove_unfinished(self, request: R_contra, id: str, access: Access) -> None:
        """Remove what an unfinished job has written beside its output."""


class FileOutput(Generic[P]):
    """A file on this computer, with a proof of the class `proof`."""

    def __init__(self, proof: type[P]) -> None:
        self._proof = proof

    def check(self, request: JobRequest, id: str, source: SourceFacts, access: Access) -> None:
        """See `Output`."""
        del id, access
        check_output(request, source)

    def proven(self, request: JobRequest, id: str, access: Access) -> P | None:
        """See `Output`."""
        del access
        output = Path(request.output)
        if not (output.exists() and proof_folder(output).exists()):
            return None
        proof = read_proof(output)
        return proof if isinstance(proof, self._proof) and proof.job == id else None

    def remove_unfinished(self, request: JobRequest, id: str, access: Access) -> None:
        """See `Output`."""
        del id, access
        remove_unfinished(Path(request.output))


@dataclass(frozen=True, slots=True)
class JobKind(Generic[R, P]):
    """A kind of job: its workflow, which finds its run in `runs`, and what is its own."""

    what: str
    output: Output[R, P]
    workflow: Callable[[str], P]
    runs: dict[str, JobRun[R]]
    target: Callable[[R], Target]
    """Whose hardware the engine's machine has."""
    titles: Mapping[str, str]

    def run(
        self,
        request: R,
        reporter: Reporter,
        id: str | None = None,
        access: Access = _HERE,
    ) -> P:
        """Do it and return the proof. Run again after a kill, it goes on.

        Whatever happens but a kill, nothing is left: machines, disks and partial output are
        removed; pictures and serial texts of a boot that failed are kept beside the output. Raises
        ImageportError, and KeyboardInterrupt when the user stops it before the output has its name.

        A job with an `id` of its own that has ended, and whose caller did not come to hear of it,
        returns its proof again.
        """
        proven = self.output.proven(request, id, access) if id else None
        if proven:
            return proven
        source = check_source(request)
        folder = job_folder(request, id)
        with exclusive(folder.lock, what=f"the {self.what} to {request.output}"):
            try:
                self._begin_or_continue(request, folder, source, reporter, access)
                return self._run(self._prepared(request, folder, source, reporter, access))
            except _AFTER_A_BOOT:
                _keep_evidence(folder, reporter)
                raise
            finally:
                release(folder.id)
                self._tidy(request, folder, reporter, access)
                folder.remove()

    def _tidy(self, request: R, folder: JobFolder, reporter: Reporter, access: Access) -> None:
        try:
            self.output.remove_unfinished(request, folder.id, access)
        except ImageportError as error:
            # What went before says more: most often that the output cannot be reached.
            if (folder.path / "begun").exists():
                reporter.say(f"Warning: something unfinished may be left: {error.message}")

    def _begin_or_continue(
        self,
        request: R,
        folder: JobFolder,
        source: SourceFacts,
        reporter: Reporter,
        access: Access,
    ) -> None:
        """Keep what a killed run of this version left of this source, or check and begin afresh."""
        begun = f"{__version__} {image_key()} {source.fingerprint}"
        mark = folder.path / "begun"
        if mark.exists() and mark.read_text() == begun:
            reporter.say(f"Going on with the {self.what} that was interrupted.")
            return
        release(folder.id)
        folder.empty()
        self.output.remove_unfinished(request, folder.id, access)
        self.output.check(request, folder.id, source, access)
        mark.write_text(begun)

    def _prepared(
        self,
        request: R,
        folder: JobFolder,
        source: SourceFacts,
        reporter: Reporter,
        access: Access,
    ) -> JobRun[R]:
        image = engine_image(reporter.say)
        target = self.target(request)
        hardware = hardware_for(target, source.firmware)
        format = output_format(request, source.format)
        named = {"hardware": hardware.name, "target": target, "format": format}
        titles = {name: title.format(**named) for name, title in self.titles.items()}
        platform = LocalPlatform(target, folder.machine, image)
        return JobRun(
            folder, request, titles, source, platform, hardware, image.key, reporter, access
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


_MIGRATION: JobKind[MigrateRequest, Proof] = JobKind(
    "migration",
    FileOutput(Proof),
    migrate,
    MIGRATIONS,
    lambda request: request.target,
    migrate_titles,
)
_CONVERSION: JobKind[ConvertRequest, ConversionProof] = JobKind(
    "conversion",
    FileOutput(ConversionProof),
    convert,
    CONVERSIONS,
    # AHV's machines have devices that start on either firmware.
    lambda _: Target.AHV,
    convert_titles,
)


def run_migration(request: MigrateRequest, reporter: Reporter, id: str | None = None) -> Proof:
    """Migrate an image; see `JobKind.run`."""
    return _MIGRATION.run(request, reporter, id)


def run_conversion(
    request: ConvertRequest, reporter: Reporter, id: str | None = None
) -> ConversionProof:
    """Convert an image to UEFI; see `JobKind.run`."""
    return _CONVERSION.run(request, reporter, id)


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
