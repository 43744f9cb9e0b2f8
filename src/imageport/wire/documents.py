"""What the service says of jobs, places, clients and itself; and what it is asked about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from imageport.model.service import JobStatus, JobType, Level, PlatformName, Role
from imageport.wire.base import Document, Guid, Name, Request


class Problem(Document):
    """An error (RFC 9457) with our code, what to do, and data."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    data: dict[str, Any] = Field(default_factory=dict)


class StepProgress(Document):
    """The step that a job is in; `total` is 0 when nobody knows, `unit` is `bytes` or words."""

    name: str
    title: str
    done: float
    total: float
    unit: str


class JobSummary(Document):
    """A job as lists have it."""

    id: str
    type: JobType
    overall_status: JobStatus
    overall_progress_percent: float
    is_cancellable: bool
    cancel_requested: bool
    dry_run: bool
    resource_location_id: str
    connector_id: str | None
    attempt: int
    """How often it was begun."""
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None
    forgotten_at: datetime | None
    """When it will be forgotten."""
    step: StepProgress | None
    error: dict[str, Any] | None
    """Code, sentence, remedy and data."""


class Job(JobSummary):
    """All of a job."""

    parameters: dict[str, Any]
    """The request, every default filled in."""
    tags: dict[str, str]
    warnings: tuple[str, ...]
    result: dict[str, Any] | None


class JobPage(Document):
    """Jobs, newest first; the token asks for the next page, and is null on the last."""

    page_size: int
    items: tuple[JobSummary, ...]
    continuation_token: str | None


class LogLine(Document):
    """A line of a job's log."""

    position: str
    at: datetime
    level: Level
    text: str


class LogPage(Document):
    """Lines in order; the token asks for what comes after them, also later on."""

    page_size: int
    items: tuple[LogLine, ...]
    continuation_token: str


Most = Annotated[int, Field(ge=1, le=10_000)]


class NewLocation(Request):
    """A resource location to make, or what one is to be changed to."""

    name: Name
    max_jobs: Most | None = None
    """How many of its jobs may be under way at once, whatever its connectors' slots; without
    limit when left out."""
    max_jobs_by_platform: dict[PlatformName, Most] = Field(default_factory=dict)
    """The same for the jobs of one platform, such as one whose API allows few."""


class ResourceLocation(Document):
    """Where connectors run."""

    id: str
    name: str
    created_at: datetime
    max_jobs: int | None = None
    max_jobs_by_platform: dict[PlatformName, int] = Field(default_factory=dict)


class LocationList(Document):
    """All of a customer, by name."""

    items: tuple[ResourceLocation, ...]


class NewConnector(Request):
    """A connector to expect."""

    resource_location_id: Guid
    name: Name


class Connector(Document):
    """A connector, and what it last said of itself."""

    id: str
    resource_location_id: str
    name: str
    registered: bool
    online: bool
    version: str | None
    health: dict[str, Any] | None
    created_at: datetime
    seen_at: datetime | None


class AnnouncedConnector(Connector):
    """With the one-time code, which is said once."""

    code: str


class ConnectorList(Document):
    """All of a customer, by name."""

    items: tuple[Connector, ...]


class NewClient(Request):
    """A client to make."""

    name: Name
    role: Role


class ApiClient(Document):
    """Who may get tokens."""

    id: str
    name: str
    role: Role
    created_at: datetime


class NewApiClient(ApiClient):
    """With its secret, which is said once."""

    client_secret: str


class ClientList(Document):
    """All of a customer, oldest first."""

    items: tuple[ApiClient, ...]


class Rotation(Document):
    """The customer's new data key."""

    data_key: int


class AuditEntry(Document):
    """Who did what to what."""

    number: int
    at: datetime
    who: str
    action: str
    what: str


class AuditPage(Document):
    """In order; ask again with `after` the last one's number."""

    items: tuple[AuditEntry, ...]


class Status(Document):
    """How the service is, and what it has of this customer."""

    status: str
    version: str
    jobs: dict[JobStatus, int]
    connectors_online: int


class Health(Document):
    """Of one replica: `ok`, or `degraded` by a problem that only some requests meet."""

    status: str
    version: str
    problem: Problem | None = None


class Token(Document):
    """RFC 6749, 5.1; these names have no camel case."""

    access_token: str = Field(alias="access_token")
    token_type: str = Field(default="Bearer", alias="token_type")
    expires_in: int = Field(alias="expires_in")


class TokenError(Document):
    """RFC 6749, 5.2."""

    error: str
    error_description: str = Field(alias="error_description")
