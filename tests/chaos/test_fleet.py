"""Two replicas, two connectors of one location, one PostgreSQL: killed at random while jobs run.

Every job ends exactly once, with its right result; no lease is held by two; nothing is left.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from imageport.disk.base import MIB
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from tests.contract.connector.running import Program, announced, export, share, texts
from tests.contract.ends.contract import make_disk
from tests.contract.ends.samba import Samba
from tests.contract.service.postgres import Postgres
from tests.contract.service.replica import location
from tests.system.command import COMMAND

pytestmark = [pytest.mark.timeout(1800), pytest.mark.slow]

_JOBS = 50


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class _Replica:
    """`imageport serve --no-connector` over the shared database."""

    def __init__(self, database: str, home: Path, master: Path, port: int) -> None:
        home.mkdir()
        self._env = {**os.environ, "IMAGEPORT_HOME": str(home)}
        words = ["serve", "--no-connector", "--database", database, "--port", str(port)]
        self._words = [*words, "--master-key", str(master), "--json"]
        self.log = home / "log"
        self.start()

    def start(self) -> None:
        """Start it, again after `kill`; what it prints is in its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *self._words], stdout=log, stderr=log, env=self._env
            )

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._words[self._words.index('--port') + 1]}"


class _Fleet:
    """All of it, and whoever asks it."""

    def __init__(self, folder: Path, samba: Samba) -> None:
        self.postgres = Postgres()
        self.database = self.postgres.new_database()
        self.images = folder / "images"
        self.images.mkdir()
        master = folder / "master.key"
        ports = _free_ports(2)
        self.replicas = [
            _Replica(self.database, folder / f"replica{number}", master, port)
            for number, port in enumerate(ports)
        ]
        self.admin = self._administrator()
        share(self.admin, samba)
        self.place = location(self.admin)
        self.connectors = [
            Program(
                replica.url,
                announced(self.admin, self.place, f"c{number}"),
                folder / f"c{number}",
                self.images,
            )
            for number, replica in enumerate(self.replicas)
        ]

    def close(self) -> None:
        """End it."""
        for connector in self.connectors:
            connector.stop()
        for replica in self.replicas:
            replica.process.terminate()
            replica.process.wait(60)
        self.admin.close()
        self.postgres.close()

    def kill_one(self, dice: random.Random) -> str:
        """kill -9 of one of them, and its start a moment later."""
        all_of_them: dict[str, Any] = {"postgres": self.postgres}
        all_of_them |= {f"replica {n}": each for n, each in enumerate(self.replicas)}
        all_of_them |= {f"connector {n}": each for n, each in enumerate(self.connectors)}
        name = dice.choice(sorted(all_of_them))
        all_of_them[name].kill()
        time.sleep(dice.uniform(0.1, 1.5))
        all_of_them[name].start()
        return name

    def _administrator(self) -> httpx.Client:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for replica in self.replicas:
                text = replica.log.read_text()
                if '"secret"' in text and text.rstrip().endswith("}"):
                    said = json.loads(text)["administrator"]
                    return self._client(said)
            time.sleep(0.2)
        raise TimeoutError([replica.log.read_text() for replica in self.replicas])

    def _client(self, said: dict[str, str]) -> httpx.Client:
        url = self.replicas[0].url
        transport = httpx.HTTPTransport(retries=20)
        client = httpx.Client(base_url=url, transport=transport, timeout=30)
        form = {
            "grant_type": "client_credentials",
            "client_id": said["client_id"],
            "client_secret": said["secret"],
        }
        answer = client.post(f"/cctrustoauth2/{said['customer']}/tokens/clients", data=form)
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def unended(self) -> list[dict[str, Any]]:
        """Jobs that have not ended; all of them while nobody answers."""
        try:
            answer = self.admin.get("/ips/jobs", params={"pageSize": 1000})
            if answer.status_code == 200:
                found = answer.json()["items"]
                return [job for job in found if job["endedAt"] is None]
        except httpx.TransportError:
            pass
        return [{}]


@pytest.fixture
def samba(tmp_path: Path) -> Iterator[Samba]:
    server = Samba(tmp_path / "samba", "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture
def fleet(tmp_path: Path, samba: Samba) -> Iterator[_Fleet]:
    made = _Fleet(tmp_path, samba)
    yield made
    made.close()


def test_every_job_ends_once_whoever_is_killed(fleet: _Fleet, samba: Samba) -> None:
    jobs = {}
    for number in range(_JOBS):
        name = f"disk{number}"
        make_disk(fleet.images / f"{name}.raw", 16 * MIB, seed=number)
        body = export(fleet.place, samba, f"{name}.raw", name)
        answer = fleet.admin.post("/ips/images/$export", json=body)
        assert answer.status_code == 202, answer.text
        jobs[name] = answer.json()["id"]

    dice = random.Random(7)
    killed: list[str] = []
    deadline = time.monotonic() + 1200
    while fleet.unended():
        assert time.monotonic() < deadline, (killed, fleet.unended())
        time.sleep(dice.uniform(1, 5))
        killed.append(fleet.kill_one(dice))
    assert len(killed) > 10, killed

    for name, job in jobs.items():
        ended = fleet.admin.get(f"/ips/jobs/{job}").json()
        assert ended["overallStatus"] == "complete", (ended, texts(fleet.admin, job))
        with open_disk(samba.data / f"{name}.vhdx") as reader:
            written = tree_hash(reader)
        with open_disk(fleet.images / f"{name}.raw") as reader:
            assert tree_hash(reader).padded(written.size).root == written.root
        assert ended["result"]["root"] == written.root.hex()
    assert samba.names() == sorted(f"{name}.vhdx" for name in jobs)
    _assert_no_lease_was_held_by_two(fleet.database)
    # A start finds what an earlier process left of jobs that went to the other one.
    for connector in fleet.connectors:
        connector.stop()
        connector.start()
    _assert_nothing_is_left(fleet)


def _assert_no_lease_was_held_by_two(database: str) -> None:
    query = (
        "SELECT count(*) FROM leases a JOIN leases b ON a.job = b.job AND b.fence = a.fence + 1 "
        "WHERE b.since < a.until"
    )
    with psycopg.connect(database) as connection:
        row = connection.execute(query).fetchone()
        again = connection.execute("SELECT count(*) FROM leases WHERE fence > 1").fetchone()
    assert row == (0,)
    assert again != (0,)


def _assert_nothing_is_left(fleet: _Fleet) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        left = [
            path
            for connector in fleet.connectors
            for folder in ("jobs", "copies", "connector/held")
            for path in (connector.home / folder).glob("*")
        ]
        if not left:
            return
        time.sleep(0.5)
    raise AssertionError(left)
