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
    """`urn:imageport:error:` and the code."""
    title: str
    """What HTTP calls the status."""
    status: int
    detail: str
    """One sentence that says what is wrong."""
    code: str
    """Stays the same from version to version; for programs."""
    remedy: str
    """What to do about it."""
    data: dict[str, Any] = Field(default_factory=dict)
    """What the sentence speaks of; `errors` names wrong fields."""


class StepProgress(Document):
    """The step that a job is in; `total` is 0 when nobody knows, `unit` is `bytes` or words."""

    name: str
    """For programs."""
    title: str
    """For people."""
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
    """It will end as soon as its connector hears of it."""
    dry_run: bool
    resource_location_id: str
    """Whose connectors may run it."""
    connector_id: str | None
    """Which connector has it at the moment."""
    attempt: int
    """How often it was begun."""
    created_at: datetime
    created_by: str
    """Name and id of the client."""
    started_at: datetime | None
    ended_at: datetime | None
    forgotten_at: datetime | None
    """When it will be forgotten."""
    step: StepProgress | None
    """Where it is; null before its start and after its end."""
    error: dict[str, Any] | None
    """`code`, `sentence`, `remedy` and `data`, when it ended so."""


class Job(JobSummary):
    """All of a job."""

    parameters: dict[str, Any]
    """The request, every default filled in."""
    tags: dict[str, str]
    """As the request has them."""
    warnings: tuple[str, ...]
    """The warnings of its log."""
    result: dict[str, Any] | None
    """`$migrate`: the proof. `$export`: what was written, and its hash. Dry run: the plan."""


class JobPage(Document):
    """Jobs, newest first; the token asks for the next page, and is null on the last."""

    page_size: int
    items: tuple[JobSummary, ...]
    continuation_token: str | None
    """For the next page; null on the last."""


class LogLine(Document):
    """A line of a job's log."""

    position: str
    """Attempt and number; what `continuationToken` and `Last-Event-ID` take."""
    at: datetime
    level: Level
    text: str


class LogPage(Document):
    """Lines in order; the token asks for what comes after them, also later on."""

    page_size: int
    items: tuple[LogLine, ...]
    continuation_token: str
    """For what comes after these lines."""


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
    """Whether its one-time code was used."""
    online: bool
    """Whether it was heard of in the last two minutes."""
    version: str | None
    health: dict[str, Any] | None
    """Its computer, slots, running jobs, free bytes, KVM, and folders."""
    created_at: datetime
    seen_at: datetime | None
    """When it was last heard of."""


class AnnouncedConnector(Connector):
    """With the one-time code, which is said once."""

    code: str
    """Valid for a day."""


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
    """Its number."""


class AuditEntry(Document):
    """Who did what to what."""

    number: int
    at: datetime
    who: str
    """Name and id of a client or a connector."""
    action: str
    """Such as `job.export`, `credential.add`, `token`."""
    what: str
    """Id of the object."""


class AuditPage(Document):
    """In order; ask again with `after` the last one's number."""

    items: tuple[AuditEntry, ...]


class Status(Document):
    """How the service is, and what it has of this customer."""

    status: str
    version: str
    jobs: dict[JobStatus, int]
    """How many of each status."""
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
    """Seconds."""


class TokenError(Document):
    """RFC 6749, 5.2."""

    error: str
    error_description: str = Field(alias="error_description")
