"""Turns what a job reports into news for the service."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from imageport.connector.talk import News, Told
from imageport.model.service import Level
from imageport.wire.connector import Progress

_EVERY_SECONDS = 0.5
LONGEST_TEXT = 4096


class NewsReporter:
    """A `jobs.report.Reporter`; `steps` are the names of all steps, in order."""

    def __init__(self, steps: Sequence[str], tell: Callable[[News], None]) -> None:
        self._steps, self._tell = steps, tell
        self._name, self._title = "", ""
        self._part, self._parts = 0, 1
        self._told = 0.0

    def part(self, number: int, of: int) -> None:
        """The steps begin again for the next of several parts; the first is 0."""
        self._part, self._parts = number, of

    def step_started(self, name: str, title: str) -> None:
        """See `Reporter`."""
        self._name, self._title = name, title
        self.tell(Level.INFO, f"{title}.")
        self._progress(0, 0, "")

    def step_done(self, name: str, seconds: float) -> None:
        """See `Reporter`."""
        self.tell(Level.INFO, f"{name} took {seconds:.1f} s.")

    def progress(self, done: float, total: float, what: str) -> None:
        """See `Reporter`."""
        now = time.monotonic()
        if now - self._told >= _EVERY_SECONDS:
            self._told = now
            self._progress(done, total, what)

    def say(self, line: str) -> None:
        """See `Reporter`."""
        warns = line.casefold().startswith("warning")
        self.tell(Level.WARNING if warns else Level.INFO, line)

    def command(self, name: str) -> AbstractContextManager[str | None]:
        """See `Reporter`."""
        del name
        return nullcontext()

    def tell(self, level: Level, text: str) -> None:
        """A line for the log."""
        for line in text.splitlines() or [""]:
            self._tell(News(told=Told(level=level, text=line[:LONGEST_TEXT])))

    def _progress(self, done: float, total: float, what: str) -> None:
        share = min(done / total, 1.0) if total else 0.0
        found = Progress(
            step=self._name[:64],
            title=self._title[:256],
            done=max(done, 0.0),
            total=max(total, 0.0),
            unit=what[:64],
            percent=self._percent(share),
        )
        self._tell(News(progress=found))

    def _percent(self, share: float) -> float:
        if self._name not in self._steps:
            return 0.0
        done = (self._steps.index(self._name) + share) / len(self._steps)
        return 100.0 * (self._part + done) / self._parts
