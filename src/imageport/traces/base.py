"""Spans, whoever takes them; nothing here imports OpenTelemetry.

A `traceparent` is that of W3C Trace Context: it says whose child a span is. Moments are nanoseconds
since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from imageport.model.errors import ImageportError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Attributes = Mapping[str, str | int | float | bool]

JOB = "imageport.job.id"
TYPE = "imageport.job.type"
DRY_RUN = "imageport.job.dry_run"
ATTEMPT = "imageport.attempt"
"""The fence of the lease."""
OUTCOME = "imageport.outcome"
CUSTOMER = "imageport.customer"
CONNECTOR = "imageport.connector.id"
STEP = "imageport.step"
COMMAND = "imageport.engine.command"
ERROR = "error.type"
"""The error's code."""


class Part(StrEnum):
    """Which part of imageport a span is of."""

    SERVICE = "imageport.service"
    CONNECTOR = "imageport.connector"
    JOB = "imageport.job"
    ENGINE = "imageport.engine"


class Kind(StrEnum):
    """How a span relates to its parent; names are OpenTelemetry's."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    CONSUMER = "CONSUMER"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a span begins with. `parent`: a `traceparent`; none, or rubbish, begins a trace.
    `at` None is now. `id`: 16 hexadecimal digits that were chosen already."""

    part: Part
    name: str
    parent: str | None = None
    kind: Kind = Kind.INTERNAL
    at: int | None = None
    id: str | None = None
    attributes: Attributes = field(default_factory=dict)


class Span(Protocol):
    """One that has begun."""

    @property
    def traceparent(self) -> str | None:
        """What its children are told; None when there are no traces."""

    @property
    def recorded(self) -> bool:
        """Whether anybody will see it: a sampler may have left it out."""

    def set(self, attributes: Attributes) -> None:
        """Say more of it."""

    def fail(self, code: str) -> None:
        """It ends with this error."""

    def end(self, at: int | None = None) -> None:
        """It has ended, now or then."""


class Traces(Protocol):
    """Takes spans."""

    def begin(self, begun: Begun) -> Span:
        """Begin one."""

    def close(self) -> None:
        """Pass on what has ended, for a few seconds at most."""


class _NoSpan:
    traceparent = None
    recorded = False

    def set(self, attributes: Attributes) -> None:
        """See `Span`."""

    def fail(self, code: str) -> None:
        """See `Span`."""

    def end(self, at: int | None = None) -> None:
        """See `Span`."""


class _Off:
    def begin(self, begun: Begun) -> Span:
        """See `Traces`."""
        del begun
        return NO_SPAN

    def close(self) -> None:
        """See `Traces`."""


NO_SPAN: Span = _NoSpan()
OFF: Traces = _Off()


@contextmanager
def during(span: Span) -> Iterator[Span]:
    """End it with what is done, and with the error that it ends by."""
    try:
        yield span
    except BaseException as error:
        span.fail(code_of(error))
        raise
    finally:
        span.end()


def code_of(error: BaseException) -> str:
    """No more than that: an error's text may hold what is not for a trace."""
    return error.code if isinstance(error, ImageportError) else type(error).__name__


def nanoseconds(moment: datetime) -> int:
    """As spans have it; to the microsecond."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def trace_id(traceparent: str | None) -> str | None:
    """For logs."""
    return traceparent.split("-")[1] if traceparent else None


def log_extra(job: str, traceparent: str | None) -> dict[str, str]:
    """What a line of the log says beside its text, where logs are documents."""
    trace = trace_id(traceparent)
    return {"job": job, "trace_id": trace} if trace else {"job": job}
