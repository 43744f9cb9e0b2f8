"""A collector of traces: takes OTLP over HTTP, and reads it by OpenTelemetry's own protocol."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass(frozen=True)
class Span:
    """As it came in; moments in nanoseconds since the epoch."""

    service: str
    part: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    failed: bool
    attributes: dict[str, Any]


class Collector:
    """Listens on a port of its own."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.raw = b""
        taken = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken.raw += body + self.headers.as_bytes()
                taken.spans += _spans(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, format: str, *args: Any) -> None:
                """Not into the test's output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Collector]:
        """While it takes spans."""
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def wait(self, there: Callable[[list[Span]], bool], seconds: float = 30) -> list[Span]:
        """The spans, once they are all there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if there(self.spans):
                return self.spans
            time.sleep(0.1)
        raise TimeoutError("\n".join(map(str, self.spans)))


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = _said(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for sent in scope.spans:
                yield _span(service, scope.scope.name, sent)


def _span(service: str, part: str, sent: Sent) -> Span:
    return Span(
        service,
        part,
        sent.name,
        Sent.SpanKind.Name(sent.kind).removeprefix("SPAN_KIND_"),
        sent.trace_id.hex(),
        sent.span_id.hex(),
        sent.parent_span_id.hex(),
        sent.start_time_unix_nano,
        sent.end_time_unix_nano,
        sent.status.code == Status.STATUS_CODE_ERROR,
        _said(sent.attributes),
    )


def _said(attributes: Any) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for each in attributes:
        assert isinstance(each, KeyValue)
        kind = each.value.WhichOneof("value")
        assert kind
        said[each.key] = getattr(each.value, kind)
    return said
