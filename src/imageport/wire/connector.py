"""What connectors and the service say to each other; a connector only ever asks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from imageport.model.service import JobStatus, JobType, Level
from imageport.wire.base import Document, Request

AUDIENCE = "imageport-connector"
"""Of the tokens that connectors sign (EdDSA, `iss` = `sub` = the connector's id)."""
TOKEN_SECONDS = 120
LONGEST_WAIT = 50
"""Seconds that a claim may wait for a job: below what proxies cut off."""
MOST_LINES = 500
"""Of one renewal."""
LEASE_LOST = "lease.lost"
"""The code of the error that says that somebody else holds the job, or that it has ended."""

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""Base64 of 32 bytes."""
_Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+_-]{1,32}$")]


class Register(Request):
    """The one-time code for two public keys: Ed25519 to sign with, X25519 to seal to."""

    code: str = Field(min_length=1, max_length=128)
    signing_key: Key
    sealing_key: Key
    version: _Version


class Registered(Document):
    """Whose connector it is."""

    customer_id: str
    resource_location_id: str


class Claim(Request):
    """Ask for a job; waits up to `wait` seconds for one."""

    wait: float = Field(default=0, ge=0, le=LONGEST_WAIT)
    """Seconds."""
    version: _Version
    health: dict[str, Any] = Field(default_factory=dict, max_length=50)


class Work(Document):
    """A job to do, held with `fence` for `lease_seconds`."""

    job: str
    type: JobType
    dry_run: bool
    request: dict[str, Any]
    fence: int
    """Raised with each claim; everything that is said of the job names it."""
    lease_seconds: float
    cancel: bool
    """Whether to clean up and end."""
    credentials: dict[str, str]
    """By id: what `wire.sealed` opens, the JSON of a `wire.credentials` document."""
    trace: str | None = None
    """Whose child the attempt's span is: a `traceparent` of W3C Trace Context."""


class Line(Request):
    """A line of the log; numbers count up from 1 within one fence."""

    number: int = Field(ge=1, le=10**9)
    at: datetime
    level: Level
    text: str = Field(max_length=4096)


Lines = Annotated[tuple[Line, ...], Field(max_length=MOST_LINES)]


class Progress(Request):
    """Where the job stands, as StepProgress has it."""

    step: str = Field(max_length=64)
    title: str = Field(max_length=256)
    done: float = Field(default=0, ge=0, allow_inf_nan=False)
    total: float = Field(default=0, ge=0, allow_inf_nan=False)
    unit: str = Field(default="", max_length=64)
    percent: float = Field(default=0, ge=0, le=100)


class Renew(Request):
    """Go on, with what is new."""

    fence: int = Field(ge=1, le=10**9)
    progress: Progress | None = None
    lines: Lines = ()


class Renewed(Document):
    """For how long, and whether the job is to be cancelled."""

    lease_seconds: float
    cancel: bool


class Finish(Request):
    """How the job ended."""

    fence: int = Field(ge=1, le=10**9)
    status: Literal[JobStatus.COMPLETE, JobStatus.ERROR, JobStatus.CANCELLED]
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    lines: Lines = ()


class Release(Request):
    """Give the job back, to be claimed at once."""

    fence: int = Field(ge=1, le=10**9)
