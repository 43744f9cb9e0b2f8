"""How a job tells what it is doing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Reporter(Protocol):
    """Hears of steps and progress; a terminal, a log file or a service stands behind it."""

    def step_started(self, name: str, title: str) -> None:
        """A step begins (or is gone on with, after a crash)."""

    def step_done(self, name: str, seconds: float) -> None:
        """A step has ended well."""

    def progress(self, done: float, total: float, what: str) -> None:
        """Where the present step stands; `total` is 0 when nobody knows."""

    def say(self, line: str) -> None:
        """Something that a person may want to know."""

    def command(self, name: str) -> AbstractContextManager[str | None]:
        """Around a command of the engine; gives the `traceparent` to send it with, if any."""


class Silent:
    """Tells nobody."""

    def step_started(self, name: str, title: str) -> None:
        """See `Reporter`."""

    def step_done(self, name: str, seconds: float) -> None:
        """See `Reporter`."""

    def progress(self, done: float, total: float, what: str) -> None:
        """See `Reporter`."""

    def say(self, line: str) -> None:
        """See `Reporter`."""

    def command(self, name: str) -> AbstractContextManager[str | None]:
        """See `Reporter`."""
        del name
        return nullcontext()
