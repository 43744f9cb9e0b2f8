"""A job that the connector holds: its process, and its lease."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from imageport.client.errors import ServiceUnreachable
from imageport.connector.errors import JobTimeout
from imageport.connector.identity import Identity
from imageport.connector.job_spans import JobSpans
from imageport.connector.link import Link
from imageport.connector.process import JobProcess
from imageport.connector.settings import Settings
from imageport.connector.talk import Ended, Order, Told
from imageport.model.errors import ImageportError, RemoteError
from imageport.model.service import JobStatus, Level
from imageport.traces import base as traces
from imageport.wire.connector import LEASE_LOST, MOST_LINES, Finish, Line, Progress, Renew, Work
from imageport.wire.images import read_request
from imageport.wire.sealed import unseal

_LOG = logging.getLogger(__name__)
_MARGIN = 0.2
"""Share of a lease before whose end its job must be stopped: nobody else may hold it meanwhile."""
_RENEWALS = 3
"""How often a lease is renewed in its time when there is no news."""
_FINISH_PATIENCE = 24 * 3600.0


class HeldJob:
    """Runs one job. `lost` is set when somebody else may hold it: nothing more may be said then."""

    def __init__(
        self,
        work: Work,
        link: Link,
        identity: Identity,
        settings: Settings,
        taker: traces.Traces = traces.OFF,
    ) -> None:
        self.work = work
        self._link, self._identity, self._settings = link, identity, settings
        self.lost = False
        self._process: JobProcess | None = None
        self._ended: Ended | None = None
        self._progress: Progress | None = None
        self._lines: list[Line] = []
        self._number = 0
        self._stopped: str | None = None
        self._given_back = False
        loop = asyncio.get_running_loop()
        self._longest = read_request(work.type, work.request).timeout
        self._timeout = loop.time() + self._longest
        self._lease_until = loop.time() + work.lease_seconds
        said = {traces.JOB: work.job, traces.TYPE: work.type.value, traces.ATTEMPT: work.fence}
        self._span = taker.begin(_attempt(work.trace, {**said, traces.CONNECTOR: identity.id}))
        self._spans = JobSpans(taker, said)
        self.log_extra = traces.log_extra(work.job, self._span.traceparent)

    async def run(self) -> bool:
        """Do it; True when the job has ended, and the service knows."""
        with traces.during(self._span):
            known = await self._run()
            self._say_outcome(known)
            return known

    def _say_outcome(self, known: bool) -> None:
        """Of the attempt, to its span."""
        outcome, error = ("givenBack", None) if self._given_back else ("lost", LEASE_LOST)
        if known and self._ended:
            outcome = self._ended.status.value
            error = self._ended.error["code"] if self._ended.error else None
        self._span.set({traces.OUTCOME: outcome})
        if error:
            self._span.fail(error)

    async def _run(self) -> bool:
        try:
            self._process = await JobProcess.start(self._order())
        except ImageportError as error:
            self._ended = Ended(status=JobStatus.ERROR, error=error.as_dict())
            return await self._finish()
        if self.work.cancel:
            self._stop("cancelled")
        keeping = asyncio.create_task(self._keep())
        # However keeping ends: without it, somebody else will hold the job.
        keeping.add_done_callback(lambda _: self.kill())
        try:
            async for news in self._process.news():
                self._progress = news.progress or self._progress
                self._ended = news.ended or self._ended
                self._spans.hear(news)
                if news.told:
                    self._tell(news.told)
            code = await self._process.wait()
        finally:
            self._process.kill()
            self._spans.close()
            keeping.cancel()
            (trouble,) = await asyncio.gather(keeping, return_exceptions=True)
        if isinstance(trouble, Exception):
            raise trouble
        return not self.lost and await self._after(code)

    def kill(self) -> None:
        """End the process at once; what it has done is kept for whoever goes on."""
        if self._process:
            self._process.kill()

    def _order(self) -> Order:
        work = self.work
        lease = (self._identity.id, work.job, work.fence)
        opened = {
            id: unseal(sealed, self._identity.sealing, lease=lease, credential=id).decode()
            for id, sealed in work.credentials.items()
        }
        return Order(
            job=work.job,
            type=work.type,
            dry_run=work.dry_run,
            request=work.request,
            attempt=work.fence,
            credentials=opened,
            folders=tuple(map(str, self._settings.folders)),
            trace=self._span.traceparent if self._span.recorded else None,
        )

    def _tell(self, told: Told) -> None:
        self._number += 1
        line = Line(number=self._number, at=datetime.now(UTC), level=told.level, text=told.text)
        self._lines.append(line)

    async def _keep(self) -> None:
        """Renew the lease and pass news on; stop the process when it is lost, or must end."""
        loop = asyncio.get_running_loop()
        due, said = loop.time(), self._progress
        while True:
            await asyncio.sleep(self._settings.news)
            if loop.time() > self._timeout:
                self._stop("timeout")
            if self._lines or self._progress is not said or loop.time() >= due:
                said = self._progress
                if not await self._renew():
                    self.lost = True
                    self.kill()
                    return
                due = loop.time() + self.work.lease_seconds / _RENEWALS

    async def _renew(self) -> bool:
        """False when the lease is lost, or nearly: then another one may have the job."""
        loop = asyncio.get_running_loop()
        said = self._unsaid()
        asked = loop.time()
        left = self._lease_until - asked - self.work.lease_seconds * _MARGIN
        try:
            # Requests have time-outs of their own: none may outlive the lease.
            async with asyncio.timeout(max(left, 0)):
                answer = await self._link.renew(self.work.job, said, max(left, 0))
        except (RemoteError, ServiceUnreachable, TimeoutError) as error:
            _LOG.warning(
                "job %s: its lease is lost: %s", self.work.job, error, extra=self.log_extra
            )
            return False
        self._lease_until = asked + answer.lease_seconds
        del self._lines[: len(said.lines)]
        if answer.cancel:
            self._stop("cancelled")
        return True

    def _stop(self, why: str) -> None:
        """Have the process clean up and end; at once, when it does not come to that."""
        if self._stopped is None and self._process:
            self._stopped = why
            self._process.interrupt()
            asyncio.get_running_loop().call_later(self._settings.stop, self._process.kill)

    async def _after(self, code: int) -> bool:
        ended = self._ended
        if self._stopped and (ended is None or ended.status is JobStatus.CANCELLED):
            self._ended = self._end_of_stopped()
        elif ended is None or ended.status is JobStatus.CANCELLED:
            # Killed, by a drain, or by who knows whom: the next attempt goes on with it.
            self._tell(Told(level=Level.INFO, text=f"The job's process ended early ({code})."))
            await self._give_back()
            return False
        return await self._finish()

    def _end_of_stopped(self) -> Ended:
        if self._stopped == "cancelled":
            return Ended(status=JobStatus.CANCELLED)
        error = JobTimeout(seconds=self._longest)
        return Ended(status=JobStatus.ERROR, error=error.as_dict())

    async def _finish(self) -> bool:
        """Say how it ended, for as long as it takes."""
        assert self._ended  # noqa: S101  # the callers see to it
        try:
            await self._say_all_lines()
            await self._say_end(self._ended)
        except (RemoteError, ServiceUnreachable) as error:
            _LOG.warning(
                "job %s: its end could not be said: %s", self.work.job, error, extra=self.log_extra
            )
            return False
        return True

    async def _say_end(self, ended: Ended) -> None:
        said = Finish(fence=self.work.fence, lines=(), **ended.model_dump())
        try:
            await self._link.finish(self.work.job, said, _FINISH_PATIENCE)
        except RemoteError as error:
            if error.code == LEASE_LOST or ended.result is None:
                raise
            # A result that the service does not take, such as one that is too large, would be
            # refused at every attempt.
            refused = Ended(status=JobStatus.ERROR, error=error.as_dict())
            await self._say_end(refused)

    async def _give_back(self) -> None:
        try:
            await self._say_all_lines()
            await self._link.release(self.work.job, self.work.fence, self._settings.stop)
            self._given_back = True
        except (RemoteError, ServiceUnreachable) as error:
            _LOG.warning(
                "job %s: it could not be given back: %s", self.work.job, error, extra=self.log_extra
            )

    async def _say_all_lines(self) -> None:
        while self._lines:
            said = self._unsaid()
            await self._link.renew(self.work.job, said, _FINISH_PATIENCE)
            del self._lines[: len(said.lines)]

    def _unsaid(self) -> Renew:
        lines = tuple(self._lines[:MOST_LINES])
        return Renew(fence=self.work.fence, progress=self._progress, lines=lines)


def _attempt(trace: str | None, said: dict[str, str | int]) -> traces.Begun:
    return traces.Begun(
        traces.Part.CONNECTOR, "attempt", trace, traces.Kind.CONSUMER, attributes=said
    )
