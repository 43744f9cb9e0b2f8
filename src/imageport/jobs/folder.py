"""One job's folder: everything that it needs to go on after a crash, and nothing else.

request.json    what was asked for
lock            held while a process works on the job
begun           what was begun of what, and the name of its workflow
state.db        DBOS: which steps have ended, and with what (unless in a database of its own)
keys.json       the job's keys (mode 0600)
work.qcow2      what the migration writes, over the untouched source
machine/        sockets and logs of the job's machines
evidence/       pictures and serial logs, for the proof
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from imageport.host.files import write_whole
from imageport.host.home import jobs_folder
from imageport.host.lock import is_held
from imageport.model.job import JobRequest

_REQUEST: TypeAdapter[JobRequest] = TypeAdapter(
    Annotated[JobRequest, Field(union_mode="left_to_right")]
)


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of the job `id`."""

    id: str
    path: Path

    @property
    def lock(self) -> Path:
        """Held by the process that works on the job."""
        return self.path / "lock"

    @property
    def state(self) -> Path:
        """The workflow's state."""
        return self.path / "state.db"

    @property
    def keys(self) -> Path:
        """The job's keys."""
        return self.path / "keys.json"

    @property
    def work_disk(self) -> Path:
        """The image as the migration changes it."""
        return self.path / "work.qcow2"

    @property
    def base_disk(self) -> Path:
        """A copy of the source, when QEMU cannot read the source itself."""
        return self.path / "base.raw"

    @property
    def machine(self) -> Path:
        """The platform's folder."""
        return self.path / "machine"

    @property
    def evidence(self) -> Path:
        """Pictures and logs."""
        folder = self.path / "evidence"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def request(self) -> JobRequest:
        """What was asked for."""
        return _REQUEST.validate_json((self.path / "request.json").read_bytes())

    @property
    def began(self) -> datetime:
        """When the job was asked for."""
        return datetime.fromtimestamp((self.path / "request.json").stat().st_mtime, UTC)

    def make(self, request: JobRequest) -> None:
        """Make it, or find it again."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.path / "request.json", [_REQUEST.dump_json(request)])

    @property
    def in_use(self) -> bool:
        """Whether a process works on the job now."""
        return is_held(self.lock)

    def empty(self) -> None:
        """Forget everything but the request and the lock."""
        for path in self.path.iterdir():
            if path.name not in ("request.json", "lock"):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.path, ignore_errors=True)


def job_id(request: JobRequest) -> str:
    """The id of a job without one of its own: the same request has the same one, so that running a
    command again goes on with its job."""
    return hashlib.sha256(_REQUEST.dump_json(request)).hexdigest()[:12]


def job_folder(request: JobRequest, id: str | None = None) -> JobFolder:
    """The folder of the job that `request` is, which may be there from an earlier, killed run.

    `id` is the job's own, if it has one; see `job_id`.
    """
    id = id or job_id(request)
    return JobFolder(id, jobs_folder() / id)


def all_jobs() -> list[JobFolder]:
    """Every job that has a folder."""
    return [JobFolder(path.name, path) for path in sorted(jobs_folder().iterdir())]
