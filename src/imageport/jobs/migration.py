"""A job under way in this process: its parts, its steps' names, and how a step is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Generic, TypeVar

from dbos import DBOS

from imageport.disk.ends.open import open_source
from imageport.jobs.ends import Ends
from imageport.jobs.errors import EngineLost, Interrupted, SourceChanged
from imageport.jobs.folder import JobFolder
from imageport.jobs.outputs.base import Output
from imageport.jobs.outputs.open import output_at
from imageport.jobs.report import Reporter
from imageport.jobs.source import SourceFacts
from imageport.model.job import ConvertRequest, DiagnosticsRequest, JobRequest, MigrateRequest
from imageport.platforms.base import Platform
from imageport.platforms.local.hardware import Hardware

ATTEMPTS = 3
"""How often the work on the image is begun when its machine goes away in the middle."""

T = TypeVar("T")
R = TypeVar("R", bound=JobRequest)


@dataclass
class JobRun(Generic[R]):
    """One job. `titles` names its steps for a person. `seconds` collects how long each took;
    setting `cancel` ends a copy, and lets no further step begin."""

    folder: JobFolder
    request: R
    titles: Mapping[str, str]
    source: SourceFacts
    platform: Platform
    hardware: Hardware
    engine_key: str
    reporter: Reporter
    ends: Ends
    cancel: Event = field(default_factory=Event)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def output(self) -> Output:
        """The file that is written."""
        request = self.request
        return output_at(
            request.output, self.ends.output, self.folder.path, overwrite=request.overwrite
        )

    def step(
        self, name: str, work: Callable[[], T], *, attempt: int = 0, reads_source: bool = True
    ) -> T:
        """Run one durable step; what it returned before a crash is returned again.

        Raises what `work` raises, and SourceChanged unless it does not depend on the source.
        """

        def timed() -> tuple[T, float]:
            if self.cancel.is_set():
                raise Interrupted
            began = time.monotonic()
            self.reporter.step_started(name, self.titles[name])
            result = work()
            if reads_source:
                self._check_source()
            return result, time.monotonic() - began

        result, seconds = DBOS.run_step({"name": f"{name}-{attempt}"}, timed)
        self.seconds[name] = round(seconds, 2)
        self.reporter.step_done(name, seconds)
        return result

    def report_bytes(self, done: int, total: int) -> None:
        """Pass the progress of a copy or a hash on."""
        self.reporter.progress(done, total, "bytes")

    def with_engine(self, work: Callable[[int], T]) -> T:
        """Do `work`, which is given the number of the attempt; begin it again where its engine's
        machine goes away in the middle. Raises EngineLost when that does not end."""
        for attempt in range(1, ATTEMPTS):
            try:
                return work(attempt)
            except EngineLost as lost:
                if self.cancel.is_set():
                    raise
                self.reporter.say(f"{lost.message} Starting that part again.")
        return work(ATTEMPTS)

    def _check_source(self) -> None:
        path = self.request.source
        with open_source(path, self.ends.source) as reader:
            if reader.fingerprint != self.source.fingerprint:
                raise SourceChanged(path=path)


Migration = JobRun[MigrateRequest]
Conversion = JobRun[ConvertRequest]
Diagnosis = JobRun[DiagnosticsRequest]

MIGRATIONS: dict[str, Migration] = {}
CONVERSIONS: dict[str, Conversion] = {}
DIAGNOSES: dict[str, Diagnosis] = {}
"""By job id: a workflow is called with the id alone, since its arguments are kept in a database."""
