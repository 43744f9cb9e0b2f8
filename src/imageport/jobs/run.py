"""Runs a job in this process: begins it, or goes on with one that was killed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from dbos import DBOS, SetWorkflowID, WorkflowHandle, WorkflowStatusString

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
from imageport.jobs.workflow import forget, launched
from imageport.model.errors import ImageportError
from imageport.model.job import ConvertRequest, JobRequest, MigrateRequest
from imageport.model.proof import ConversionProof, Proof
from imageport.model.target import Target
from imageport.platforms.local.hardware import hardware_for
from imageport.platforms.local.platform import LocalPlatform, release

_STOP_SECONDS = 20.0
_BEGUN = "begun"
"""The file of the job's folder that says what was begun: a line, and the workflow's id."""
_AFTER_A_BOOT = (BootFailed, BootTimeout, NotVerified, EngineSilent, EngineLost)
"""Errors that pictures and serial texts of a boot may explain."""


R = TypeVar("R", bound=JobRequest)
P = TypeVar("P")
R_contra = TypeVar("R_contra", bound=JobRequest, contravariant=True)
P_co = TypeVar("P_co", covariant=True)


class Outcome(Protocol[R_contra, P_co]):
    """How what a job of one kind makes is checked for, found made already, and tidied up."""

    def check(
        self, request: R_contra, folder: JobFolder, source: SourceFacts, ends: Ends
    ) -> list[str]:
        """Warnings, or ImageportError when it could not be written; a new job asks."""

    def proven(self, request: R_contra, folder: JobFolder, ends: Ends) -> P_co | None:
        """The result of this very job, if it is there under its own name."""

    def remove_unfinished(self, request: R_contra, folder: JobFolder, ends: Ends) -> None:
        """Remove what an unfinished job has written."""


class FileOutcome(Generic[P]):
    """A file with a proof of the class `proof`; see `Outcome`."""

    def __init__(self, proof: type[P]) -> None:
        self._proof = proof

    def check(
        self, request: JobRequest, folder: JobFolder, source: SourceFacts, ends: Ends
    ) -> list[str]:
        """See `Outcome`."""
        return check_output(request, source, ends, _output(request, folder, ends))

    def proven(self, request: JobRequest, folder: JobFolder, ends: Ends) -> P | None:
        """See `Outcome`."""
        proof = _output(request, folder, ends).proven()
        if proof is None or proof.job != folder.id:
            return None
        return proof if isinstance(proof, self._proof) else None

    def remove_unfinished(self, request: JobRequest, folder: JobFolder, ends: Ends) -> None:
        """See `Outcome`."""
        _output(request, folder, ends).remove_unfinished()


def _output(request: JobRequest, folder: JobFolder, ends: Ends) -> Output:
    return output_at(request.output, ends.output, folder.path, overwrite=request.overwrite)


@dataclass(frozen=True, slots=True)
class _Given(Generic[R]):
    """What a job begins with."""

    request: R
    source: SourceFacts
    ends: Ends
    folder: JobFolder
    reporter: Reporter


@dataclass(frozen=True, slots=True)
class JobKind(Generic[R, P]):
    """A kind of job: its workflow, which finds its run in `runs`, and what is its own."""

    what: str
    outcome: Outcome[R, P]
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
        proven = self.outcome.proven(request, folder, ends) if id else None
        if proven:
            return proven
        given = _Given(request, check_source(request, ends.source), ends, folder, reporter)
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
                self._remove_unfinished(given)
                folder.remove()

    def _remove_unfinished(self, given: _Given[R]) -> None:
        try:
            self.outcome.remove_unfinished(given.request, given.folder, given.ends)
        except ImageportError as error:
            # What went before says more: most often that the output cannot be reached.
            if (given.folder.path / _BEGUN).exists():
                given.reporter.say(f"Warning: an unfinished file may be left: {error.message}")

    def _begin_or_continue(self, given: _Given[R]) -> None:
        """Keep what a killed run of this version left of this source, or check and begin afresh."""
        begun = f"{__version__} {image_key()} {given.source.fingerprint}"
        mark = given.folder.path / _BEGUN
        if mark.exists() and mark.read_text().partition("\n")[0] == begun:
            given.reporter.say(f"Going on with the {self.what} that was interrupted.")
            return
        release(given.folder.id)
        given.folder.empty()
        place = (given.request, given.folder)
        self.outcome.remove_unfinished(*place, given.ends)
        for warning in self.outcome.check(*place, given.source, given.ends):
            given.reporter.say(f"Warning: {warning}")
        # A name of its own: what an earlier workflow has done was of something else.
        mark.write_text(f"{begun}\n{given.folder.id}.{secrets.token_hex(4)}")

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
        )

    def _run(self, run: JobRun[R]) -> P:
        id = (run.folder.path / _BEGUN).read_text().partition("\n")[2]
        self.runs[run.folder.id] = run
        try:
            with launched(run.folder, id):
                with SetWorkflowID(id):
                    handle = DBOS.start_workflow(self.workflow, run.folder.id)
                try:
                    return _result(handle, run)
                finally:
                    run.cancel.set()
                    forget(run.folder)
        finally:
            del self.runs[run.folder.id]


_MIGRATION: JobKind[MigrateRequest, Proof] = JobKind(
    "migration",
    FileOutcome(Proof),
    migrate,
    MIGRATIONS,
    lambda request: request.target,
    migrate_titles,
)
_CONVERSION: JobKind[ConvertRequest, ConversionProof] = JobKind(
    "conversion",
    FileOutcome(ConversionProof),
    convert,
    CONVERSIONS,
    # AHV's machines have devices that start on either firmware.
    lambda _: Target.AHV,
    convert_titles,
)


def run_migration(
    request: MigrateRequest, reporter: Reporter, id: str | None = None, ends: Ends = HERE
) -> Proof:
    """Migrate an image; see `JobKind.run`."""
    return _MIGRATION.run(request, reporter, id, ends)


def run_conversion(
    request: ConvertRequest, reporter: Reporter, id: str | None = None, ends: Ends = HERE
) -> ConversionProof:
    """Convert an image to UEFI; see `JobKind.run`."""
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
        output = _output(given.request, given.folder, given.ends)
        kept = output.keep_evidence(given.folder.evidence)
    except (OSError, DiskError) as error:
        # The disk being full is often why the migration failed: that is what has to be said.
        detail = error.strerror if isinstance(error, OSError) else error.message
        given.reporter.say(f"Pictures and serial texts could not be kept: {detail}")
    else:
        given.reporter.say(f"Pictures and serial texts were kept in {kept}")
