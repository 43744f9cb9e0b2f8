"""The record of a run: which jobs it began, and how they ended. `runs/NAME.json`, owner only.

It is written whole, before a job is asked for and after each answer, so that a command that is
killed at any moment leaves one that the next command can go on with.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from imageport.host.errors import Busy
from imageport.host.files import write_whole
from imageport.host.home import subfolder
from imageport.host.lock import exclusive
from imageport.model.service import JobStatus
from imageport.wire.base import Name
from imageport.workflow.errors import RecordUnusable, RunBusy, RunNameUnusable

_NAME: TypeAdapter[str] = TypeAdapter(Name)


class Entry(BaseModel):
    """The latest attempt at what a request asks for."""

    target: str
    output: str
    request: dict[str, Any]
    """What is asked for: asked again, it finds a job whose id the service could not say."""
    attempt: int = 1
    salt: str = ""
    """What is begun anew is no attempt at what was there before."""
    job: str | None = None
    """None until the service has answered."""
    status: JobStatus | None = None
    """The last that was heard of it."""
    ended_at: datetime | None = None
    seconds: float | None = None
    """That the job took once a connector had begun it."""
    root: str | None = None
    """The content hash of the output, hex."""
    warnings: tuple[str, ...] = ()
    error: dict[str, Any] | None = None

    @property
    def open(self) -> bool:
        """Whether a job may be under way."""
        return self.status is None or not self.status.ended

    def next(self, *, fresh: bool) -> Entry:
        """Another attempt at the same; still the first one where the service took no job.

        Its refusal may have been a gateway's, behind which there is a job: the same key finds it.
        """
        salt = secrets.token_hex(8) if fresh else self.salt
        number = 1 if fresh else self.attempt + (self.job is not None)
        return Entry(
            target=self.target,
            output=self.output,
            request=self.request,
            attempt=number,
            salt=salt,
        )


class Record(BaseModel):
    """A run, and its targets by the identities of their requests."""

    name: str
    file: str
    entries: dict[str, Entry] = {}

    def save(self) -> None:
        """Durably. Raises OSError."""
        write_whole(path_of(self.name), [self.model_dump_json(indent=1).encode()])


def run_name(said: str) -> str:
    """Raises RunNameUnusable."""
    try:
        return _NAME.validate_python(said)
    except ValidationError as error:
        raise RunNameUnusable(name=said) from error


def path_of(name: str) -> Path:
    """Of the record."""
    return subfolder("runs") / f"{name}.json"


@contextmanager
def kept_record(name: str, file: str) -> Iterator[Record]:
    """The run's record, held by this command alone. Raises RunBusy, RecordUnusable."""
    path = path_of(name)
    try:
        with exclusive(path.with_suffix(".lock"), what=f"the run {name}"):
            yield _read(path) if path.exists() else Record(name=name, file=file)
    except Busy as error:
        raise RunBusy(name=name) from error


def _read(path: Path) -> Record:
    try:
        return Record.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise RecordUnusable(path=str(path), detail=error.strerror) from error
    except ValueError as error:  # pydantic's is one
        raise RecordUnusable(path=str(path), detail="it is not what was written") from error
