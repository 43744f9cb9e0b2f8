"""A migration under way in this process: its parts, its steps' names, and how a step is run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TypeVar

from dbos import DBOS

from imageport.disk.open import open_disk
from imageport.jobs.child import output_format
from imageport.jobs.errors import Interrupted, SourceChanged
from imageport.jobs.folder import JobFolder
from imageport.jobs.preflight import SourceFacts
from imageport.jobs.report import Reporter
from imageport.model.job import MigrateRequest
from imageport.platforms.base import Platform
from imageport.platforms.local.hardware import Hardware

TITLES = {
    "engine": "Start the engine on {hardware} hardware",
    "inspect": "Look inside the image",
    "hash": "Hash the source",
    "untouched": "Try the untouched image on {hardware} hardware",
    "prepare": "Prepare the image for {target}",
    "boot": "Boot the image on {hardware} hardware",
    "verify": "Verify every change after the boot",
    "write": "Write the output ({format})",
    "read-back": "Read the output back",
    "prove": "Write the proof",
}
"""Every step, in order, and what it is called for a person."""

T = TypeVar("T")


@dataclass
class Migration:
    """One migration. `seconds` collects how long each step took; setting `cancel` ends a copy, and
    lets no further step begin. `working` is held while a step runs."""

    folder: JobFolder
    request: MigrateRequest
    source: SourceFacts
    platform: Platform
    hardware: Hardware
    engine_key: str
    reporter: Reporter
    cancel: Event = field(default_factory=Event)
    seconds: dict[str, float] = field(default_factory=dict)

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
            self.reporter.step_started(name, self._title(name))
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

    def _title(self, name: str) -> str:
        return TITLES[name].format(
            hardware=self.hardware.name,
            target=self.request.target,
            format=output_format(self.request, self.source.format),
        )

    def _check_source(self) -> None:
        path = Path(self.request.source)
        with open_disk(path) as reader:
            if reader.fingerprint != self.source.fingerprint:
                raise SourceChanged(path=str(path))


MIGRATIONS: dict[str, Migration] = {}
"""By job id: a workflow is called with the id alone, since its arguments are kept in a database."""
