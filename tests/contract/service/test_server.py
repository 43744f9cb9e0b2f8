"""Listening: TLS or loopback, and a stop that keeps nobody waiting."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path

import httpx
import pytest

from imageport.service.api.app import create_app
from imageport.service.errors import StoreOutdated
from imageport.service.server import Address, CannotListen, ClearText, Server
from imageport.service.store.database import Database
from lab.certificates import LabAuthority
from tests.contract.service.replica import (
    MASTER,
    QUICK,
    RawConnector,
    location,
    migration,
    replica,
    scratch,
)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])  # noqa: S104  # is refused
def test_clear_text_is_for_loopback_alone(tmp_path: Path, host: str) -> None:
    app = create_app(scratch(tmp_path), MASTER, QUICK)
    with pytest.raises(ClearText):
        Server(app, Address(host, 0))


def test_a_port_that_is_taken_and_a_certificate_that_is_none(tmp_path: Path) -> None:
    app = create_app(scratch(tmp_path), MASTER, QUICK)
    with replica(scratch(tmp_path)) as running, pytest.raises(CannotListen):
        Server(app, Address(port=httpx.URL(running.url).port or 0))
    missing = tmp_path / "missing.pem"
    with pytest.raises(CannotListen):
        Server(app, Address(port=0, certificate=missing, key=missing))


def test_tls(tmp_path: Path) -> None:
    authority = LabAuthority(tmp_path / "ca")
    certificate, key = authority.sign("server")
    address = Address("0.0.0.0", 0, certificate, key)  # noqa: S104
    server = Server(create_app(scratch(tmp_path), MASTER, QUICK), address)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.wait_ready(30)
        url = server.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        trusted = ssl.create_default_context(cafile=authority.path)
        assert url.startswith("https://")
        assert httpx.get(f"{url}/healthz", verify=trusted).status_code == 200
    finally:
        server.stop()
        thread.join(30)
    assert not thread.is_alive()


def test_tables_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreOutdated):
        create_app(Database(f"sqlite:///{tmp_path}/empty.db"), MASTER, QUICK)


def test_a_claim_waits_for_a_job_and_a_stop_lets_it_go(tmp_path: Path) -> None:
    with replica(scratch(tmp_path)) as running, running.client() as admin:
        place = location(admin)
        connector = RawConnector(admin, place)
        claimed: list[object] = []
        waiting = threading.Thread(target=lambda: claimed.append(connector.claim(40)))
        waiting.start()
        time.sleep(1)
        assert not claimed
        job = admin.post("/ips/images/$migrate", json=migration(place)).json()["id"]
        waiting.join(10)
        (work,) = claimed
        assert isinstance(work, dict)
        assert work["job"] == job
        idle = threading.Thread(target=lambda: claimed.append(connector.claim(40)))
        idle.start()
        time.sleep(1)
        began = time.monotonic()
    idle.join(20)
    assert claimed[1:] == [None]
    assert time.monotonic() - began < 20


def test_a_job_taken_in_by_one_replica_is_claimed_at_another(tmp_path: Path) -> None:
    store = scratch(tmp_path)
    with replica(store) as one, replica(store) as two, one.client() as admin:
        place = location(admin)
        there = httpx.Client(base_url=two.url, headers=admin.headers)
        connector = RawConnector(there, place)
        there.close()
        claimed: list[object] = []
        waiting = threading.Thread(target=lambda: claimed.append(connector.claim(40)))
        waiting.start()
        time.sleep(1)
        began = time.monotonic()
        admin.post("/ips/images/$migrate", json=migration(place))
        waiting.join(15)
        assert claimed
        assert time.monotonic() - began < 9, "only the claim's own look found it"
