"""What a connector and the process of one of its jobs say to each other, over two pipes.

The order goes to the process' standard input, as one line of JSON; secrets travel nowhere else.
What it says comes back as lines of JSON. An input that ends means that the connector is gone.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from imageport.model.service import JobStatus, JobType, Level
from imageport.traces.base import Kind, Part
from imageport.wire.base import Document
from imageport.wire.connector import Progress


class Order(Document):
    """A job to do."""

    job: str
    type: JobType
    dry_run: bool
    request: dict[str, Any]
    attempt: int
    """Above 1, somebody has begun it before."""
    credentials: dict[str, str] = Field(default_factory=dict, repr=False)
    """By id: JSON of a `wire.credentials` document."""
    folders: tuple[str, ...]
    trace: str | None = None
    """Whose children the spans of the job are (`traceparent`); none are wanted without."""


class Told(Document):
    """A line for the job's log."""

    level: Level
    text: str


class Ended(Document):
    """How the job ended; the last thing that is said."""

    status: JobStatus
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class SpanBegan(Document):
    """A step or a command has begun. `id`: 16 hexadecimal digits. `at` as in `traces.base`."""

    id: str
    parent: str
    part: Part
    kind: Kind
    name: str
    at: int
    attributes: dict[str, str]


class SpanEnded(Document):
    """It has ended, with an error's code if it failed."""

    id: str
    at: int
    error: str | None = None


class News(Document):
    """One of them."""

    progress: Progress | None = None
    told: Told | None = None
    began: SpanBegan | None = None
    done: SpanEnded | None = None
    ended: Ended | None = None
