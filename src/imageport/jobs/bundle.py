"""Putting diagnostics together: what the engine collected, what it said, what lies beside."""

from __future__ import annotations

import json
import platform
import re
import shutil
import tarfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from imageport import __version__
from imageport.guest.collecting.collect import ENGINE, FOUND, OWN
from imageport.jobs.event_text import write_texts
from imageport.jobs.folder import JobFolder
from imageport.jobs.outputs.local import failure_folder
from imageport.jobs.proof import proof_folder
from imageport.jobs.summary import Subject, summary, system_name
from imageport.model.diagnostics import BundleFile, Diagnostics
from imageport.model.job import DiagnosticsRequest

SUMMARY = "summary.txt"
RESULT = "diagnostics.json"
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
"""Characters that names on a share cannot have."""
_LARGEST = 16 << 20
"""Bytes of a file of an earlier job that is taken."""
_RESULT: TypeAdapter[Diagnostics] = TypeAdapter(Diagnostics)


@dataclass(frozen=True, slots=True)
class EngineSaid:
    """The engine's side: its serial port's text, and its commands as it keeps them."""

    key: str
    serial: str
    commands: list[dict[str, Any]]


def folder_name(request: DiagnosticsRequest, id: str) -> str:
    """The name of a job's folder."""
    return f"{Path(request.source).stem}-diagnostics-{id}"


def unfinished_name(request: DiagnosticsRequest, id: str) -> str:
    """Its name until it is whole."""
    return f"{folder_name(request, id)}.partial"


def address_of(request: DiagnosticsRequest, id: str) -> str:
    """Where a job's folder lies: a path, or an address."""
    return f"{request.output.rstrip('/')}/{folder_name(request, id)}"


def unfinished_address(request: DiagnosticsRequest, id: str) -> str:
    """Where it lies until it is whole."""
    return f"{address_of(request, id)}.partial"


def assemble(
    folder: JobFolder, request: DiagnosticsRequest, place: str, said: EngineSaid
) -> Diagnostics:
    """Fill `bundle` of the job's folder from its collection, for the folder at `place`."""
    bundle = bundle_of(folder)
    shutil.rmtree(bundle, ignore_errors=True)
    bundle.mkdir()
    unpack(collection_of(folder), bundle)
    found = json.loads((bundle / FOUND).read_bytes())
    (bundle / FOUND).unlink()
    problems = tuple(found["problems"])
    for logs in sorted(bundle.glob("windows*/event-logs")):
        problems += tuple(write_texts(sorted(logs.glob("*.evtx"))))
    if request.wants.engine_logs:
        _put_engine(bundle / ENGINE, said)
    if request.wants.own_data:
        _put_own(bundle / OWN, folder, request, said, found)
    subject = Subject(request.source, __version__, folder.began, found, problems)
    (bundle / SUMMARY).write_text(summary(subject, bundle), encoding="utf-8")
    done = Diagnostics(
        job=folder.id,
        imageport=__version__,
        source=request.source,
        folder=place,
        systems=tuple(map(system_name, found["systems"])),
        files=tuple(_files(bundle)),
        problems=problems,
    )
    (bundle / RESULT).write_bytes(_RESULT.dump_json(done, indent=2))
    return done


def bundle_of(folder: JobFolder) -> Path:
    """Where a job puts its diagnostics together."""
    return folder.path / "bundle"


def collection_of(folder: JobFolder) -> Path:
    """What the engine collected for a job."""
    return folder.path / "collection.tar"


def read_result(data: bytes) -> Diagnostics:
    """The result that lies in the folder of diagnostics. Raises ValueError."""
    return _RESULT.validate_json(data)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files of a collection; names are made such that any share takes them."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            parts = [_safe(part) for part in member.name.split("/") if part not in ("", ".", "..")]
            place = folder.joinpath(*parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as file:
                shutil.copyfileobj(content, file)


def _safe(name: str) -> str:
    return _FORBIDDEN.sub("_", name).rstrip(". ") or "_"


def _put_engine(folder: Path, said: EngineSaid) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "serial.txt").write_text(said.serial, encoding="utf-8")
    (folder / "commands.json").write_text(json.dumps(said.commands, indent=1), encoding="utf-8")
    lines = [line for command in said.commands for line in _command(command)]
    (folder / "commands.txt").write_text("\n".join((*lines, "")), encoding="utf-8")


def _command(command: dict[str, Any]) -> list[str]:
    started, ended = command["started"], command["ended"]
    began = datetime.fromtimestamp(started, UTC)
    took = f"{ended - started:.1f} s" if ended else "not ended"
    head = f"{began:%Y-%m-%d %H:%M:%S} UTC  {command['name']}  {command['state']}  {took}"
    error = command["error"]
    return [head, *(f"    {line}" for line in command["log"]), *([str(error)] if error else [])]


def _put_own(
    folder: Path,
    job: JobFolder,
    request: DiagnosticsRequest,
    said: EngineSaid,
    found: dict[str, Any],
) -> None:
    folder.mkdir(exist_ok=True)
    versions = {
        "imageport": __version__,
        "engine": said.key,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    began = job.began.isoformat(timespec="seconds")
    about = {"job": job.id, "began": began, "request": asdict(request), "versions": versions}
    (folder / "job.json").write_text(json.dumps(about, indent=1))
    (folder / "volumes.json").write_text(json.dumps(found["volumes"], indent=1))
    for system in found["systems"]:
        if system["inspection"] is not None:
            place = folder / system["folder"] / "inspection.json"
            place.parent.mkdir(exist_ok=True)
            place.write_text(json.dumps(system["inspection"], indent=1))
    source = Path(request.source)
    _put_earlier(failure_folder(source), folder / "earlier-failure")
    _put_earlier(proof_folder(source), folder / "earlier-proof")


def _put_earlier(source: Path, folder: Path) -> None:
    """Evidence of a migration that this image came from; block hashes tell nobody anything."""
    if not source.is_dir():
        return
    folder.mkdir()
    for path in sorted(source.iterdir()):
        if path.is_file() and path.suffix != ".manifest" and path.stat().st_size <= _LARGEST:
            shutil.copyfile(path, folder / path.name)


def _files(bundle: Path) -> list[BundleFile]:
    paths = sorted(path for path in bundle.rglob("*") if path.is_file())
    return [BundleFile(p.relative_to(bundle).as_posix(), p.stat().st_size) for p in paths]
