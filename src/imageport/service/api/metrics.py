"""Metrics for Prometheus; no label names a customer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """Of one replica."""

    def __init__(self, jobs: Callable[[], Mapping[str, int]]) -> None:
        """`jobs` counts jobs by status."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "imageport_http_requests",
            "Requests by route, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "imageport_http_request_seconds",
            "How long requests took; claims wait for jobs and are left out.",
            ["route", "method"],
            registry=self.registry,
        )
        self.claims = Histogram(
            "imageport_claim_wait_seconds",
            "From the start of a job to its first claim.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600),
            registry=self.registry,
        )
        self.registry.register(_Jobs(jobs))

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self.registry)


class _Jobs:
    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self._count = count

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("imageport_jobs", "Jobs by status.", labels=["status"])
        for status, number in self._count().items():
            family.add_metric([status], number)
        yield family

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Asked for at once by the registry, when there may be no database yet."""
        return [GaugeMetricFamily("imageport_jobs", "Jobs by status.", labels=["status"])]


class Measured:
    """Middleware: counts requests by the route's own path, not by what was asked for."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if route != "none" else "any"
            self._metrics.requests.labels(route, method, str(status)).inc()
            if not route.endswith(("$claim", "/events")):
                self._metrics.seconds.labels(route, method).observe(time.monotonic() - began)
