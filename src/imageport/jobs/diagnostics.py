"""The job `diagnostics` (SPEC B9): from a disk, failed or not, to a folder here or on a share.

    engine      a thin layer over the source; the engine's machine with it; wait until it answers
    collect     what is wanted of the image, and the engine's own logs
    assemble    event logs as text, what lies beside the image, the summary
    deliver     into the folder, under a name that is only whole at the end

The source is only read. Whatever a part of it lacks, the rest is collected.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from pathlib import Path

from dbos import DBOS

from imageport.guest.collecting.bag import MOST
from imageport.host.files import write_whole
from imageport.host.home import home
from imageport.jobs.bundle import (
    RESULT,
    EngineSaid,
    address_of,
    assemble,
    bundle_of,
    collection_of,
    folder_name,
    read_result,
    unfinished_name,
)
from imageport.jobs.ends import Ends
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.errors import OutputExists, OutputFolder
from imageport.jobs.folder import JobFolder, job_folder
from imageport.jobs.migration import DIAGNOSES, Diagnosis
from imageport.jobs.outputs.local import check_space
from imageport.jobs.places import Place, free_at, open_place
from imageport.jobs.preflight import WORK_SPACE
from imageport.jobs.report import Reporter
from imageport.jobs.run import JobKind
from imageport.jobs.source import SourceFacts, check_source
from imageport.jobs.watch import plain
from imageport.jobs.work_disk import base_of, make_work_disk, work_disk
from imageport.model.diagnostics import Diagnostics, DiagnosticsPlan
from imageport.model.job import DiagnosticsRequest
from imageport.model.target import Target
from imageport.platforms.base import Role

TITLES = {
    "engine": "Start the engine",
    "collect": "Collect from the image",
    "assemble": "Put the diagnostics together",
    "deliver": "Write them to their folder",
}
"""Every step, in order, and what it is called for a person."""
_PARTS = {
    "engine_logs": "the engine's logs",
    "system_logs": "the image's own logs",
    "own_data": "imageport's own data",
}


def collect_diagnostics(
    request: DiagnosticsRequest, ends: Ends, reporter: Reporter, id: str | None = None
) -> Diagnostics:
    """Collect, into the folder `NAME-diagnostics-JOB` in `request.output`. Raises ImageportError.

    `ends` holds the accounts of shares; they are never written down. Run again after a kill, it
    goes on; see `JobKind.run`.
    """
    return _KIND.run(request, reporter, id, ends)


def plan_diagnostics(request: DiagnosticsRequest, ends: Ends) -> DiagnosticsPlan:
    """Look at source and folder; no engine is started, nothing stays. Raises ImageportError."""
    source = check_source(request, ends.source)
    folder = job_folder(request)
    _OUTCOME.check(request, folder, source, ends)
    wanted = asdict(request.wants)
    return DiagnosticsPlan(
        source=request.source,
        folder=address_of(request, folder.id),
        parts=tuple(title for name, title in _PARTS.items() if wanted[name]),
        most=MOST,
        free=free_at(request.output, ends.output),
    )


class _FolderOutcome:
    """See `jobs.run.Outcome`."""

    def check(
        self, request: DiagnosticsRequest, folder: JobFolder, source: SourceFacts, ends: Ends
    ) -> list[str]:
        """Raises OutputFolder, OutputExists, NoSpace, and what a share raises."""
        id = folder.id
        copied = 0 if source.here and source.layers == 1 else source.data
        check_space(home(), WORK_SPACE + copied)
        with open_place(request.output, ends.output) as place:
            if not place.exists():
                raise OutputFolder(path=request.output, detail="there is no such folder")
            if place.exists(folder_name(request, id)):
                raise OutputExists(path=address_of(request, id))
            trial = f"{folder_name(request, id)}.trial-{secrets.token_hex(4)}"
            place.make(trial)
            place.remove(trial)
        return []

    def proven(
        self, request: DiagnosticsRequest, folder: JobFolder, ends: Ends
    ) -> Diagnostics | None:
        """By the result that lies in the folder."""
        with open_place(request.output, ends.output) as place:
            return _result(place, request, folder.id)

    def remove_unfinished(self, request: DiagnosticsRequest, folder: JobFolder, ends: Ends) -> None:
        """The folder by its unfinished name."""
        with open_place(request.output, ends.output) as place:
            place.remove(unfinished_name(request, folder.id))


def _result(place: Place, request: DiagnosticsRequest, id: str) -> Diagnostics | None:
    file = f"{folder_name(request, id)}/{RESULT}"
    if not place.exists(file):
        return None
    try:
        found = read_result(place.read(file))
    except ValueError:
        return None
    return found if found.job == id else None


@DBOS.workflow(name="diagnostics")
def diagnose(job: str) -> Diagnostics:
    """The workflow; its job is found by id in `DIAGNOSES`."""
    run = DIAGNOSES[job]
    said = run.with_engine(lambda attempt: _collected(run, attempt))
    address = address_of(run.request, job)
    done = run.step("assemble", lambda: assemble(run.folder, run.request, address, said))
    run.step("deliver", lambda: _deliver(run), reads_source=False)
    return done


def _collected(run: Diagnosis, attempt: int) -> EngineSaid:
    folder = run.folder
    work = EngineWork(
        run.platform, folder, work_disk(folder), run.source.firmware, run.reporter, attempt
    )
    run.step("engine", lambda: _start_engine(run, work), attempt=attempt)
    run.step("collect", lambda: _collect(run, work), attempt=attempt)
    # Not the step's own result: that is kept in a database, where texts so long do not belong.
    return _said(run)


def _start_engine(run: Diagnosis, work: EngineWork) -> None:
    run.platform.release(run.folder.id)
    base = base_of(run.folder, run.request.source, run.ends, run.report_bytes)
    make_work_disk(run.folder, base)
    work.start()


def _collect(run: Diagnosis, work: EngineWork) -> None:
    work.run("collect", asdict(run.request.wants))
    commands = work.fetch_collection(collection_of(run.folder))
    serial = plain(run.platform.console(run.folder.id, Role.ENGINE).text)
    said = json.dumps({"serial": serial, "commands": commands})
    write_whole(_said_file(run.folder), [said.encode()])
    run.platform.release(run.folder.id)


def _said(run: Diagnosis) -> EngineSaid:
    said = json.loads(_said_file(run.folder).read_bytes())
    return EngineSaid(run.engine_key, said["serial"], said["commands"])


def _said_file(folder: JobFolder) -> Path:
    return folder.path / "engine-said.json"


def _deliver(run: Diagnosis) -> None:
    """Write the folder whole or not at all; one that a killed run has named is found."""
    request, id = run.request, run.folder.id
    name, partial = folder_name(request, id), unfinished_name(request, id)
    with open_place(request.output, run.ends.output) as place:
        if _result(place, request, id):
            return
        place.remove(partial)
        place.make(partial)
        _write(bundle_of(run.folder), place, partial, run)
        place.rename(partial, name)


def _write(bundle: Path, place: Place, partial: str, run: Diagnosis) -> None:
    paths = sorted(bundle.rglob("*"))
    total = sum(path.stat().st_size for path in paths if path.is_file())
    done = 0
    for path in paths:
        below = f"{partial}/{path.relative_to(bundle).as_posix()}"
        if path.is_dir():
            place.make(below)
            continue
        with path.open("rb") as file:
            place.write(below, file)
        done += path.stat().st_size
        run.report_bytes(done, total)


_OUTCOME = _FolderOutcome()
_KIND: JobKind[DiagnosticsRequest, Diagnostics] = JobKind(
    "diagnostics",
    _OUTCOME,
    diagnose,
    DIAGNOSES,
    # As for a conversion: AHV's machines have devices that start on either firmware.
    lambda _: Target.AHV,
    TITLES,
)
