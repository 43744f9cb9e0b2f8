"""Spans by OpenTelemetry's SDK, sent as OTLP over HTTP; the only module that imports it.

Spans are sent in batches by a thread of the SDK's own. What a collector that is away does not take
is dropped after a while, and said in the log: nobody waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from imageport import __version__
from imageport.traces.base import ERROR, Attributes, Begun

_CLOSE_SECONDS = 5.0
_TRACEPARENT = "traceparent"
_UNNAMED = "unknown_service"
"""What the SDK calls a service that no variable names."""
_W3C = TraceContextTextMapPropagator()


class OtelTraces:
    """Of this process."""

    def __init__(self, service: str) -> None:
        """Raises ValueError for variables that say what the SDK does not know."""
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=_resource(service), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    def begin(self, begun: Begun) -> OtelSpan:
        """See `Traces`."""
        # An empty context: a span is nobody's child but by what it says itself.
        context = _W3C.extract({_TRACEPARENT: begun.parent or ""}, Context())
        tracer = self._provider.get_tracer(begun.part, __version__)
        with self._ids.given(begun.id):
            made = tracer.start_span(
                begun.name,
                context,
                trace.SpanKind[begun.kind],
                dict(begun.attributes),
                start_time=begun.at,
            )
        return OtelSpan(made)

    def close(self) -> None:
        """See `Traces`."""
        # The SDK waits for half a minute; a process that is told to end does not.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


class OtelSpan:
    """A `Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
        self.traceparent = carrier.get(_TRACEPARENT)
        self.recorded = span.is_recording()

    def set(self, attributes: Attributes) -> None:
        """See `Span`."""
        self._span.set_attributes(dict(attributes))

    def fail(self, code: str) -> None:
        """See `Span`."""
        self._span.set_attribute(ERROR, code)
        self._span.set_status(trace.Status(trace.StatusCode.ERROR, code))

    def end(self, at: int | None = None) -> None:
        """See `Span`."""
        self._span.end(at)


class _Ids(RandomIdGenerator):
    """A job's process chooses the ids of its spans itself, and others tell of them."""

    def __init__(self) -> None:
        self._given: ContextVar[str | None] = ContextVar("given", default=None)

    def generate_span_id(self) -> int:
        given = self._given.get()
        return int(given, 16) if given else super().generate_span_id()

    @contextmanager
    def given(self, id: str | None) -> Iterator[None]:
        """The next span has this one."""
        token = self._given.set(id)
        try:
            yield
        finally:
            self._given.reset(token)


def _resource(service: str) -> Resource:
    """As the variables say; its name, when they say none."""
    said = Resource.create({SERVICE_VERSION: __version__})
    if str(said.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        return said.merge(Resource({SERVICE_NAME: service}))
    return said
