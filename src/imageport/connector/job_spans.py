"""Spans of a job: told by its process as they begin and end, and recorded by its connector.

The process itself sends nothing, and imports nothing for it: it never waits for a collector, and
what it has told is not lost with it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from imageport.connector.talk import News, SpanBegan, SpanEnded
from imageport.jobs.report import Reporter
from imageport.traces.base import COMMAND, STEP, Begun, Kind, Part, Span, Traces, code_of

_UNFINISHED = "job.step-unfinished"
"""Of a step that another one took the place of: it is begun again, or its work is."""
_KILLED = "job.process-killed"


class TracedReporter:
    """A `jobs.report.Reporter` that tells another one, and of spans: one for each step, and below
    it one for each command of the engine."""

    def __init__(self, reporter: Reporter, parent: str, tell: Callable[[News], None]) -> None:
        """`parent`: the `traceparent` of the attempt."""
        self._reporter, self._attempt, self._tell = reporter, parent, tell
        self._step: tuple[str, str] | None = None
        """Its name, and the id of its span."""

    def step_started(self, name: str, title: str) -> None:
        """See `Reporter`."""
        self.end_step(_UNFINISHED)
        self._step = name, self._begin(name, self._attempt, Part.JOB, Kind.INTERNAL, STEP)
        self._reporter.step_started(name, title)

    def step_done(self, name: str, seconds: float) -> None:
        """See `Reporter`."""
        # What an earlier attempt has done is said again, and was not begun by this one.
        if self._step and self._step[0] == name:
            self.end_step(None)
        self._reporter.step_done(name, seconds)

    def progress(self, done: float, total: float, what: str) -> None:
        """See `Reporter`."""
        self._reporter.progress(done, total, what)

    def say(self, line: str) -> None:
        """See `Reporter`."""
        self._reporter.say(line)

    def command(self, name: str) -> AbstractContextManager[str | None]:
        """See `Reporter`."""
        return self._command(name)

    @contextmanager
    def _command(self, name: str) -> Iterator[str]:
        parent = _child(self._attempt, self._step[1]) if self._step else self._attempt
        id = self._begin(name, parent, Part.ENGINE, Kind.CLIENT, COMMAND)
        try:
            yield _child(parent, id)
        except BaseException as error:
            self._end(id, code_of(error))
            raise
        self._end(id, None)

    def end_step(self, error: str | None) -> None:
        """The step under way, if there is one, has ended; with the code of an error, if any."""
        if self._step:
            self._end(self._step[1], error)
        self._step = None

    def _begin(self, name: str, parent: str, part: Part, kind: Kind, what: str) -> str:
        id = secrets.token_hex(8)
        began = SpanBegan(
            id=id,
            parent=parent,
            part=part,
            kind=kind,
            name=name,
            at=time.time_ns(),
            attributes={what: name},
        )
        self._tell(News(began=began))
        return id

    def _end(self, id: str, error: str | None) -> None:
        self._tell(News(done=SpanEnded(id=id, at=time.time_ns(), error=error)))


def _child(traceparent: str, id: str) -> str:
    version, trace, _, flags = traceparent.split("-")
    return f"{version}-{trace}-{id}-{flags}"


class JobSpans:
    """The spans of one process, on the connector's side; `common` is said of each."""

    def __init__(self, traces: Traces, common: dict[str, str | int]) -> None:
        self._traces, self._common = traces, common
        self._open: dict[str, Span] = {}

    def hear(self, news: News) -> None:
        """Record what it tells of."""
        if news.began:
            self._open[news.began.id] = self._traces.begin(self._begun(news.began))
        if news.done and (span := self._open.pop(news.done.id, None)):
            if news.done.error:
                span.fail(news.done.error)
            span.end(news.done.at)

    def close(self) -> None:
        """The process has ended; what it did not come to end was cut off."""
        for span in reversed(self._open.values()):
            span.fail(_KILLED)
            span.end()
        self._open.clear()

    def _begun(self, said: SpanBegan) -> Begun:
        attributes = {**self._common, **said.attributes}
        return Begun(said.part, said.name, said.parent, said.kind, said.at, said.id, attributes)
