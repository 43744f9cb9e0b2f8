"""How soon jobs reach connectors: `python -m bench.dispatch [JOBS] [CONNECTORS]`.

One replica of the service over a PostgreSQL of its own, and simulated connectors that wait for jobs
by long poll: they claim, renew once and finish. Prints the times from a job's POST to its claim in
the hands of a connector, and of reading a job's state, and the memory of the service on the way.
Then the same by procrastinate, with fewer workers: each takes three connections of PostgreSQL.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from imageport.connector.identity import Identity
from imageport.connector.link import Link
from imageport.model.service import JobStatus
from imageport.service.api.app import create_app
from imageport.service.api.settings import Settings
from imageport.service.bootstrap import FirstAdministrator, first_administrator
from imageport.service.server import Address, Server
from imageport.service.store.database import Database
from imageport.service.wallet.local import LocalMasterKey, new_line
from imageport.wire.connector import Finish, Progress, Renew
from tests.contract.service.postgres import Postgres

_RATE = 25
"""Jobs a second."""
_PEERS_JOBS = 1_000
_PEERS = 50
"""Workers of procrastinate: PostgreSQL has 200 connections, as ours needs 20."""


@dataclass
class _Seen:
    """What was measured, in seconds; `posted` are jobs."""

    posted: list[str] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    statuses: list[float] = field(default_factory=list)
    ended: int = 0
    twice: int = 0


async def _connector(link: Link, seen: _Seen) -> None:
    claimed = set()
    async with link:
        while True:
            work = await link.claim(50, {})
            if work is None:
                continue
            if work.job in claimed or work.fence > 1:
                seen.twice += 1
            claimed.add(work.job)
            seen.claims.append(time.monotonic() - float(work.request["tags"]["asked"]))
            progress = Progress(step="work", title="Work", percent=50)
            await link.renew(work.job, Renew(fence=work.fence, progress=progress), 30)
            end = Finish(fence=work.fence, status=JobStatus.COMPLETE, result={})
            await link.finish(work.job, end, 30)
            seen.ended += 1


async def _post(admin: httpx.AsyncClient, place: str, count: int, seen: _Seen) -> None:
    """Jobs at a steady rate; each says when it was asked for."""
    began = time.monotonic()

    async def one() -> None:
        body = {
            "platform": "Local",
            "resourceLocationId": place,
            "sourceDiskName": "a.raw",
            "targetPlatform": "Gcp",
            "outputDiskName": "b.raw",
            "tags": {"asked": str(time.monotonic())},
        }
        answer = await admin.post("/ips/images/$migrate", json=body)
        answer.raise_for_status()
        seen.posted.append(answer.json()["id"])

    tasks = []
    for number in range(count):
        await asyncio.sleep(max(0, began + number / _RATE - time.monotonic()))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)


async def _ask(admin: httpx.AsyncClient, seen: _Seen) -> None:
    """The state of the newest job, again and again, as whoever waits for it does."""
    while True:
        await asyncio.sleep(0.2)
        if seen.posted:
            began = time.monotonic()
            answer = await admin.get(f"/ips/jobs/{seen.posted[-1]}")
            answer.raise_for_status()
            seen.statuses.append(time.monotonic() - began)


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def _watch(pid: int, memory: list[float]) -> None:
    while True:
        memory.append(_memory(pid))
        await asyncio.sleep(5)


async def _registered(admin: httpx.AsyncClient, url: str, place: str) -> Identity:
    body = {"resourceLocationId": place, "name": "simulated"}
    made = (await admin.post("/ips/connectors", json=body)).raise_for_status().json()
    identity = Identity.new(url, made["id"])
    async with Link(identity) as link:
        await link.register(made["code"])
    return identity


async def _measure(url: str, first: FirstAdministrator, pid: int, counts: tuple[int, int]) -> None:
    jobs, connectors = counts
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as admin:
        form = {"grant_type": "client_credentials", "client_id": first.client_id}
        form["client_secret"] = first.secret
        path = f"/cctrustoauth2/{first.customer}/tokens/clients"
        token = (await admin.post(path, data=form)).raise_for_status().json()["access_token"]
        admin.headers["Authorization"] = f"Bearer {token}"
        made = await admin.post("/ips/resourceLocations", json={"name": "bench"})
        place = made.raise_for_status().json()["id"]
        identities = []
        for _ in range(connectors):
            identities.append(await _registered(admin, url, place))
        seen, memory = _Seen(), list[float]()
        tasks = [asyncio.create_task(_connector(Link(each), seen)) for each in identities]
        tasks += [asyncio.create_task(_watch(pid, memory)), asyncio.create_task(_ask(admin, seen))]
        await asyncio.sleep(5)
        await _post(admin, place, jobs, seen)
        while seen.ended < jobs:
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    _print(seen, memory, jobs, connectors)


def _print(seen: _Seen, memory: list[float], jobs: int, connectors: int) -> None:
    print(f"\nDispatch: {jobs} jobs, {_RATE} a second, to {connectors} waiting connectors")
    for name, found in (("POST to claim", seen.claims), ("read a job", seen.statuses)):
        parts = statistics.quantiles(found, n=100)
        print(
            f"  {name:16} median {parts[49] * 1000:7.1f} ms   95 % {parts[94] * 1000:7.1f} ms   "
            f"99 % {parts[98] * 1000:7.1f} ms"
        )
    third = len(memory) // 3
    print(f"  memory of the service: {memory[third]:.0f} MiB, at the end {memory[-1]:.0f} MiB")
    print(f"  claimed twice: {seen.twice}")


def _serve(database: str, told: Connection) -> None:
    """One replica, without limits for those who ask."""
    store = Database(database)
    store.upgrade()
    first = first_administrator(store, "bench")
    settings = Settings(
        requests_rate=1e6, requests_burst=10**6, logins_rate=1e6, logins_burst=10**6
    )
    app = create_app(store, LocalMasterKey(new_line(), "the bench"), settings)
    server = Server(app, Address(port=0))
    told.send((server.url, first))
    server.run()


def main(jobs: int, connectors: int) -> None:
    """Start everything, measure, and end it."""
    postgres = Postgres()
    mine, theirs = multiprocessing.Pipe()
    service = multiprocessing.Process(target=_serve, args=(postgres.new_database(), theirs))
    service.start()
    try:
        url, first = mine.recv()
        asyncio.run(_measure(url, first, service.pid or 0, (jobs, connectors)))
        service.terminate()
        service.join()
        _beside(postgres.new_database(), min(jobs, _PEERS_JOBS), min(connectors, _PEERS))
    finally:
        service.terminate()
        service.join()
        postgres.close()


def _beside(database: str, jobs: int, workers: int) -> None:
    program = Path(__file__).parent / "peers" / "procrastinate_dispatch.py"
    said = [database, str(jobs), str(workers), str(_RATE)]
    subprocess.run([".peers/bin/python", program, *said], check=True)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]] + [10_000, 500][len(sys.argv) - 1 :]
    main(*numbers)
