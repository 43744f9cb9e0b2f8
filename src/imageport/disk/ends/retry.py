"""One retry budget for everything that an end asks of its peer."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

from imageport.disk.ends.errors import UnreachableError
from imageport.disk.errors import CopyCancelledError

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds without any success after which an end is given up."""
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 20.0
_LONGEST_ASKED = 120.0
"""Seconds of a Retry-After that are obeyed; a peer that asks for more is asked again then."""


class TransientError(Exception):
    """A request failed in a way that another attempt may cure. Never leaves `RetryBudget.run`."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        """`detail` goes into the sentence of the final error; `retry_after` is in seconds."""
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


class RetryBudget:
    """Repeats requests of one end, from any thread, until none has succeeded for `patience` s.

    The clock is the end's, not the request's: while some requests get through, a throttled one
    goes on waiting; when nothing does, all threads give up together. The vendors' own retries are
    switched off, since two budgets multiply.
    """

    def __init__(
        self,
        name: str,
        *,
        patience: float = PATIENCE,
        cancel: threading.Event | None = None,
        on_wait: Callable[[str, float], None] = lambda detail, seconds: None,
    ) -> None:
        """`name` is the end's address. `on_wait` is told (why, seconds) before each wait."""
        self.retries = 0
        self._name, self._patience, self._on_wait = name, patience, on_wait
        self._cancel = cancel or threading.Event()
        self._last_success = time.monotonic()

    def run(self, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, which raises `TransientError` for what may be tried again.

        Raises `UnreachableError` when the patience is at its end, `CopyCancelledError`, and
        whatever else `attempt` raises.
        """
        started = time.monotonic()
        ceiling = _FIRST_WAIT
        while True:
            try:
                result = attempt()
            except TransientError as error:
                self._wait(error, started, ceiling)
                ceiling = min(ceiling * 2, _LONGEST_WAIT)
            else:
                self._last_success = time.monotonic()
                return result

    def _wait(self, error: TransientError, started: float, ceiling: float) -> None:
        self.retries += 1
        # An end that was idle has not failed: its patience counts from the first attempt.
        silent = time.monotonic() - max(started, self._last_success)
        seconds = random.uniform(ceiling / 2, ceiling)  # noqa: S311  # spreads load, no secret
        if error.retry_after is not None:
            seconds = max(seconds, min(error.retry_after, _LONGEST_ASKED))
        if silent + seconds > self._patience:
            raise UnreachableError(
                file=self._name, seconds=round(silent), detail=error.detail
            ) from error
        self._on_wait(error.detail, seconds)
        if self._cancel.wait(seconds):
            raise CopyCancelledError(file=self._name)


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3); dates count from now."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
