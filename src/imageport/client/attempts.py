"""When to try again, and when to give up: the one place for both clients and for connectors."""

from __future__ import annotations

import random
import ssl
import time
from dataclasses import dataclass, field

import httpx

from imageport.client.errors import (
    ProxyRefuses,
    ProxyUnreachable,
    ProxyWantsAccount,
    ServiceUnreachable,
)

_AGAIN = (429, 502, 503, 504)
_LONGEST_PAUSE = 10.0
_WANTS_ACCOUNT = ("401", "407")
"""How httpx' error of a proxy begins then: with its status. 401 is tinyproxy's for a wrong one."""


@dataclass
class Attempts:
    """Of one call; `patience` is in seconds from the first failure on; `proxy` is a URL."""

    url: str
    patience: float
    proxy: str | None = None
    _until: float | None = None
    _pause: float = field(default=0.2)

    def after_error(self, error: httpx.TransportError) -> float:
        """Seconds to wait. Raises ServiceUnreachable when patience is over."""
        pause = self._next(0)
        if pause is None:
            raise self._unreachable(error) from error
        return pause

    def after_answer(self, answer: httpx.Response) -> float | None:
        """Seconds to wait, or None: the answer is what it is."""
        if answer.status_code not in _AGAIN:
            return None
        said = answer.headers.get("Retry-After", "0")
        return self._next(float(said) if said.isdigit() else 0)

    def _unreachable(self, error: httpx.TransportError) -> ServiceUnreachable:
        said = {"url": self.url, "detail": str(error) or type(error).__name__}
        if isinstance(error, httpx.ProxyError):
            wants = said["detail"].startswith(_WANTS_ACCOUNT)
            kind = ProxyWantsAccount if wants else ProxyRefuses
            return kind(proxy=self.proxy or "of the environment", **said)
        away = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        if self.proxy and away and not _is_about_tls(error):
            return ProxyUnreachable(proxy=self.proxy, **said)
        return ServiceUnreachable(**said)

    def _next(self, least: float) -> float | None:
        now = time.monotonic()
        self._until = self._until or now + self.patience
        pause = max(least, self._pause * random.uniform(0.5, 1))  # noqa: S311  # no secret
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause if now + pause < self._until else None


def _is_about_tls(error: BaseException | None) -> bool:
    """It is the service's, then: the proxy was there."""
    while error:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
