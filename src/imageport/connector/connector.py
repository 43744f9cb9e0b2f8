"""The connector: claims jobs as long as it has room, and gives back what it cannot end."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import signal
from typing import Any

import httpx

from imageport.client.errors import ServiceUnreachable
from imageport.connector.held import HeldJob
from imageport.connector.identity import Identity
from imageport.connector.link import Link
from imageport.connector.records import Records
from imageport.connector.settings import Settings
from imageport.host.home import home, subfolder
from imageport.host.lock import exclusive
from imageport.model.errors import RemoteError
from imageport.traces.base import OFF, Traces
from imageport.wire.connector import LEASE_LOST, Work

_LOG = logging.getLogger(__name__)
_PAUSE = 2.0
_LONGEST_PAUSE = 30.0
_TIDY_SECONDS = 60.0


class Connector:
    """Belongs to one event loop."""

    def __init__(
        self, link: Link, identity: Identity, settings: Settings, traces: Traces = OFF
    ) -> None:
        self._link, self._identity, self._settings = link, identity, settings
        self._traces = traces
        self._records = Records()
        self._draining = asyncio.Event()
        self._held: dict[str, tuple[HeldJob, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until `drain`, and the jobs under way have ended or were given back."""
        await self._give_back_earlier()
        tidying = asyncio.create_task(self._tidy())
        try:
            await self._claim_until_drained()
            await self._end_jobs()
        finally:
            tidying.cancel()

    def drain(self) -> None:
        """Claim no more; said again, jobs are given back at once. From the loop's own thread."""
        if self._draining.is_set():
            self._kill_jobs()
        self._draining.set()

    @property
    def health(self) -> dict[str, Any]:
        """What the service is told of this computer."""
        return {
            "host": platform.node()[:64],
            "slots": self._settings.slots,
            "running": len(self._held),
            "freeBytes": shutil.disk_usage(home()).free,
            "kvm": os.access("/dev/kvm", os.R_OK | os.W_OK),
            "folders": [str(folder) for folder in self._settings.folders],
        }

    async def _give_back_earlier(self) -> None:
        """What this connector held when it was killed: it is likely to get it again at once."""
        for job, fence in list(self._records.all()):
            self._records.touch(job)
            try:
                await self._link.release(job, fence, 0)
            except (RemoteError, ServiceUnreachable) as error:
                _LOG.info("job %s: it cannot be given back: %s", job, error)
                if isinstance(error, RemoteError) and error.code == LEASE_LOST:
                    await self._forget(job, ended_here=False)

    async def _claim_until_drained(self) -> None:
        pause = _PAUSE
        while not self._draining.is_set():
            if len(self._held) >= self._settings.slots:
                self._changed.clear()
                await self._unless_drained(self._changed.wait())
                continue
            try:
                work = await self._unless_drained(
                    self._link.claim(self._settings.claim_wait, self.health)
                )
                pause = _PAUSE
            except (RemoteError, ServiceUnreachable) as error:
                _LOG.warning("No work can be asked for: %s %s", error, error.advice)
                await self._unless_drained(asyncio.sleep(pause))
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if work:
                self._begin(work)

    async def _unless_drained(self, waiting: Any) -> Any:
        """What `waiting` gives; None when the drain begins before."""
        wanted = asyncio.ensure_future(waiting)
        draining = asyncio.create_task(self._draining.wait())
        await asyncio.wait({wanted, draining}, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        if not wanted.done():
            wanted.cancel()
            await asyncio.gather(wanted, return_exceptions=True)
            return None
        return wanted.result()

    def _begin(self, work: Work) -> None:
        self._records.add(work.job, work.fence)
        held = HeldJob(work, self._link, self._identity, self._settings, self._traces)
        told = "job %s: claimed (%s, attempt %d)"
        _LOG.info(told, work.job, work.type, work.fence, extra=held.log_extra)
        self._held[work.job] = held, asyncio.create_task(self._run(held))

    async def _run(self, held: HeldJob) -> None:
        job = held.work.job
        try:
            ended = await held.run()
            said = "ended" if ended else "not ours any more"
            _LOG.info("job %s: %s", job, said, extra=held.log_extra)
            if ended:
                await self._forget(job, ended_here=True)
            else:
                self._records.touch(job)
        except Exception:  # noqa: BLE001  # the edge of one job
            # One job's trouble is not the others': its lease runs out, and it is begun again.
            _LOG.exception("job %s: given up here", job, extra=held.log_extra)
        finally:
            del self._held[job]
            self._changed.set()

    async def _end_jobs(self) -> None:
        if not self._held:
            return
        _LOG.info("Waiting up to %.0f s for %d jobs.", self._settings.drain, len(self._held))
        tasks = [task for _, task in self._held.values()]
        await asyncio.wait(tasks, timeout=self._settings.drain)
        self._kill_jobs()
        await asyncio.wait(tasks, timeout=self._settings.stop)

    def _kill_jobs(self) -> None:
        for held, _ in self._held.values():
            held.kill()

    async def _tidy(self) -> None:
        """Remove what is left of jobs that went to others, when they did not come back."""
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            for job in self._records.idle(self._settings.idle_files):
                if job not in self._held:
                    await self._forget(job, ended_here=False)

    async def _forget(self, job: str, *, ended_here: bool) -> None:
        await asyncio.to_thread(self._records.remove, job, ended_here=ended_here)


async def run_until_told(
    identity: Identity, settings: Settings, proxy: httpx.Proxy | None, traces: Traces
) -> None:
    """Run one in this process: SIGTERM drains it, a second one gives its jobs back at once."""
    with exclusive(subfolder("connector") / "lock", what="the jobs of this state folder"):
        async with Link(identity, proxy=proxy) as link:
            connector = Connector(link, identity, settings, traces)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, connector.drain)
            _LOG.info("Claiming jobs from %s.", identity.url)
            await connector.run()
