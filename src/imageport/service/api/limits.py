"""How fast a caller may ask, and how large a body may be. Each replica counts for itself."""

from __future__ import annotations

import math
import time
from threading import Lock

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imageport.service.api.problems import problem_response
from imageport.service.errors import TooLarge, TooMany

_MOST_CALLERS = 10_000


class RateLimit:
    """A bucket of `burst` requests for each caller, filled by `rate` a second."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = Lock()

    def take(self, caller: str) -> None:
        """Raises TooMany."""
        now = time.monotonic()
        with self._lock:
            left, at = self._buckets.get(caller, (float(self._burst), now))
            left = min(self._burst, left + (now - at) * self._rate)
            if left < 1:
                raise TooMany(seconds=math.ceil((1 - left) / self._rate))
            if len(self._buckets) >= _MOST_CALLERS:
                self._forget_full(now)
            self._buckets[caller] = (left - 1, now)

    def _forget_full(self, now: float) -> None:
        for caller, (left, at) in list(self._buckets.items()):
            if left + (now - at) * self._rate >= self._burst:
                del self._buckets[caller]


class BodyLimit:
    """Middleware: refuses a body that is longer than its path may have, also one without length."""

    def __init__(self, app: ASGIApp, *, usual: int, large: int, large_prefix: str) -> None:
        self._app, self._usual, self._large, self._prefix = app, usual, large, large_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._large if scope["path"].startswith(self._prefix) else self._usual
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if said.isdigit() and int(said) > limit:
            await problem_response(TooLarge(limit=limit))(scope, receive, send)
            return
        await _Counted(limit, receive, send).run(self._app, scope)


class _Counted:
    """A body of unknown length: cut off at the limit, and answered from here."""

    def __init__(self, limit: int, receive: Receive, send: Send) -> None:
        self._limit, self._receive, self._send = limit, receive, send
        self._seen, self._answered = 0, False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        async def receive() -> Message:
            message = await self._receive()
            self._seen += len(message.get("body", b""))
            return message if self._seen <= self._limit else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if self._seen <= self._limit:
                await self._send(message)
            elif not self._answered:
                self._answered = True
                await problem_response(TooLarge(limit=self._limit))(scope, receive, self._send)

        await app(scope, receive, send)
