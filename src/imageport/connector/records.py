"""Which jobs this computer holds, kept across a kill: they are given back by the next start."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from imageport.connector.names import folder_name
from imageport.host.files import write_whole
from imageport.host.home import subfolder
from imageport.jobs.copies import forget_copy
from imageport.jobs.leftovers import remove_job


class Records:
    """A file for each job that is, or was, held here: its fence. Files of no job but those are
    ever removed."""

    def __init__(self) -> None:
        self._folder = subfolder("connector", "held")

    def add(self, job: str, fence: int) -> None:
        """It is held with this fence."""
        write_whole(self._path(job), [json.dumps({"job": job, "fence": fence}).encode()])

    def remove(self, job: str, *, ended_here: bool) -> None:
        """Forget it, and remove what it left: the output it has not finished only when it ended
        here, as otherwise another connector may be writing it."""
        id = folder_name(job)
        if remove_job(id, output=ended_here) and forget_copy(id):
            self._path(job).unlink(missing_ok=True)

    def touch(self, job: str) -> None:
        """Its idle time begins."""
        with contextlib.suppress(FileNotFoundError):
            self._path(job).touch()

    def all(self) -> Iterator[tuple[str, int]]:
        """Job and fence of each."""
        for path in sorted(self._folder.glob("*.json")):
            said = json.loads(path.read_bytes())
            yield said["job"], said["fence"]

    def idle(self, seconds: float) -> list[str]:
        """The jobs whose records nobody has touched for so long."""
        now = time.time()
        return [job for job, _ in self.all() if now - self._path(job).stat().st_mtime > seconds]

    def _path(self, job: str) -> Path:
        return self._folder / f"{job}.json"
