"""When to try again, and when to give up: the one place for both clients and for connectors."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

import httpx

from imageport.client.errors import ServiceUnreachable

_AGAIN = (429, 502, 503, 504)
_LONGEST_PAUSE = 10.0


@dataclass
class Attempts:
    """Of one call; `patience` is in seconds from the first failure on."""

    url: str
    patience: float
    _until: float | None = None
    _pause: float = field(default=0.2)

    def after_error(self, error: httpx.TransportError) -> float:
        """Seconds to wait. Raises ServiceUnreachable when patience is over."""
        pause = self._next(0)
        if pause is None:
            detail = str(error) or type(error).__name__
            raise ServiceUnreachable(url=self.url, detail=detail) from error
        return pause

    def after_answer(self, answer: httpx.Response) -> float | None:
        """Seconds to wait, or None: the answer is what it is."""
        if answer.status_code not in _AGAIN:
            return None
        said = answer.headers.get("Retry-After", "0")
        return self._next(float(said) if said.isdigit() else 0)

    def _next(self, least: float) -> float | None:
        now = time.monotonic()
        self._until = self._until or now + self.patience
        pause = max(least, self._pause * random.uniform(0.5, 1))  # noqa: S311  # no secret
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause if now + pause < self._until else None
