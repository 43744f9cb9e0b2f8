"""Every master key keeps the same promises: a file, AWS KMS (emulated), Vault (a real OpenBao)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from imageport.model.service import CredentialType
from imageport.service.api import app as api
from imageport.service.errors import (
    KeyServiceAway,
    KeyServiceRefused,
    MasterKeyMissing,
    SecretUnreadable,
)
from imageport.service.store import credentials, customers, keys
from imageport.service.store.database import Database, Tx
from imageport.service.wallet import opened as opened_keys
from imageport.service.wallet.local import LocalMasterKey, new_line
from imageport.service.wallet.master import LONGEST_ID, MasterKey, Ring
from imageport.service.wallet.wallet import Wallet, credential
from tests.contract.service.masters import Case, LocalCase, RemoteCase, case, opened
from tests.contract.service.replica import RawConnector, export, location, replica, scratch

_KEPT = 2.0
KEY = bytes(range(32))
SECRET = {"type": "UsernamePassword", "username": "ips", "password": "Correct-7"}


@pytest.fixture(params=["local", "kms", "vault"])
def kind(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    with case(request.param, request, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture(params=["kms", "vault"])
def remote(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RemoteCase]:
    with case(request.param, request, tmp_path, monkeypatch) as made:
        assert not isinstance(made, LocalCase)
        yield made


def test_what_is_wrapped_opens_after_a_restart(kind: Case) -> None:
    master = opened(kind)
    wrapped = master.wrap(KEY, "data-key acme 1")
    assert wrapped.master == master.newest()
    assert len(wrapped.master) <= LONGEST_ID
    assert KEY not in wrapped.key
    assert opened(kind).unwrap(wrapped, "data-key acme 1") == KEY
    assert master.wrap(KEY, "data-key acme 1").key != wrapped.key


def test_what_is_not_what_was_wrapped_is_refused(kind: Case) -> None:
    master = opened(kind)
    wrapped = master.wrap(KEY, "data-key acme 1")
    with pytest.raises(SecretUnreadable):
        master.unwrap(wrapped, "data-key acme 2")
    foreign = kind.foreign().wrap(KEY, "data-key acme 1")
    with pytest.raises(MasterKeyMissing, match="data-key acme 1 is wrapped by"):
        master.unwrap(foreign, "data-key acme 1")
    middle = len(wrapped.key) // 2
    damaged = bytearray(wrapped.key)
    damaged[middle] = ord("B") if damaged[middle] == ord("A") else ord("A")
    for key in (foreign.key, bytes(damaged), b"", b"short", b"vault:v1:"):
        with pytest.raises(SecretUnreadable):
            master.unwrap(replace(wrapped, key=key), "data-key acme 1")


def _store_some(database: Database, wallet: Wallet) -> tuple[str, bytes]:
    """A credential and a key of tokens; the latter's id and value."""

    def some(tx: Tx) -> None:
        customers.add_customer(tx, "acme", "acme")
        sealed = wallet.seal(tx, "acme", credential("one"), b"secret")
        credentials.add(tx, "acme", "one", CredentialType.SIMPLE, sealed)

    id = keys.new_token_key_id()
    wallet.writing(database, some)
    wallet.writing(database, lambda tx: wallet.new_token_key(tx, id, timedelta(hours=1)))
    return id, wallet.reading(database, wallet.token_keys)[id]


def _assert_opens(database: Database, master: MasterKey, signs: tuple[str, bytes]) -> None:
    wallet = Wallet(master)

    def secret(tx: Tx) -> bytes:
        kept = credentials.secret_of(tx, "acme", "one")
        return wallet.open(tx, "acme", credential("one"), kept)

    assert wallet.reading(database, secret) == b"secret"
    assert wallet.reading(database, wallet.token_keys) == dict([signs])


def test_rotation(kind: Case, database: Database) -> None:
    before = opened(kind).newest()
    signs = _store_some(database, Wallet(opened(kind)))
    kind.rotate()
    master = opened(kind)
    assert master.newest() != before
    _assert_opens(database, master, signs)
    assert Wallet(master).rewrap(database) == 2
    assert Wallet(master).rewrap(database) == 0
    kind.forget_old()
    _assert_opens(database, opened(kind), signs)


def test_what_is_under_a_key_that_is_gone_is_named(kind: Case, database: Database) -> None:
    _store_some(database, Wallet(opened(kind)))
    kind.rotate()
    kind.forget_old()
    with pytest.raises((SecretUnreadable, KeyServiceRefused)):
        Wallet(opened(kind)).rewrap(database)


def test_from_a_file_to_a_key_service_and_back(remote: RemoteCase, database: Database) -> None:
    file = LocalMasterKey(new_line(), "a test")
    signs = _store_some(database, Wallet(file))
    assert Wallet(Ring(opened(remote), [file])).rewrap(database) == 2
    _assert_opens(database, opened(remote), signs)
    with pytest.raises(MasterKeyMissing):
        Wallet(file).rewrap(database)
    assert Wallet(Ring(file, [opened(remote)])).rewrap(database) == 2
    _assert_opens(database, file, signs)


def test_two_replicas_that_wrap_anew_at_once(kind: Case, database: Database) -> None:
    signs = _store_some(database, Wallet(opened(kind)))
    kind.rotate()
    master = opened(kind)
    master.newest()
    threads = [threading.Thread(target=Wallet(master).rewrap, args=(database,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kind.forget_old()
    _assert_opens(database, opened(kind), signs)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are forgotten, and failures too, soon enough for a test."""
    monkeypatch.setattr(opened_keys, "KEPT_SECONDS", _KEPT)
    monkeypatch.setattr(opened_keys, "REST_SECONDS", 0.5)
    monkeypatch.setattr(api, "_TIDY_SECONDS", 0.5)


def _add(admin: httpx.Client, id: str = "share") -> httpx.Response:
    return admin.post("/ips/credentials", json={**SECRET, "id": id})


def _until(ask: Any, wanted: int, seconds: float = 20) -> httpx.Response:
    deadline = time.monotonic() + seconds
    while True:
        answer: httpx.Response = ask()
        if answer.status_code == wanted or time.monotonic() > deadline:
            assert answer.status_code == wanted, answer.text
            return answer
        time.sleep(0.1)


def _assert_connector_works(connector: RawConnector) -> None:
    """What needs no wallet."""
    assert connector.claim() is None
    assert connector.post(f"jobs/{connector.id}/$renew", fence=1).status_code == 409


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("how", ["silent", "gone"])
def test_while_the_key_service_is_away(remote: RemoteCase, tmp_path: Path, how: str) -> None:
    with replica(scratch(tmp_path), master=opened(remote)) as running, running.client() as admin:
        connector = RawConnector(admin, location(admin))
        assert _add(admin).status_code == 201
        if how == "silent":
            remote.relay.flowing.clear()
        else:
            remote.relay.gone = True
            remote.relay.cut()
        time.sleep(_KEPT)
        asking = [threading.Thread(target=_add, args=(admin, f"c{number}")) for number in range(5)]
        for thread in asking:
            thread.start()
        _assert_connector_works(connector)
        assert how == "gone" or any(thread.is_alive() for thread in asking)
        for thread in asking:
            thread.join()
        answer = _add(admin, "late")
        assert (answer.status_code, answer.json()["code"]) == (503, "wallet.key-service")
        assert "Retry-After" in answer.headers
        ready = running.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["problem"]["code"] == "wallet.key-service"
        remote.relay.gone = False
        remote.relay.flowing.set()
        _until(lambda: _add(admin, "late"), 201)
        assert running.get("/readyz").json()["status"] == "ok"


@pytest.mark.usefixtures("quick")
def test_a_start_while_the_key_service_is_away(remote: RemoteCase, tmp_path: Path) -> None:
    store = scratch(tmp_path)
    with replica(store, master=opened(remote)) as running, running.client() as admin:
        connector = RawConnector(admin, location(admin))
    remote.relay.gone = True
    with replica(store, master=opened(remote)) as running:
        connector.move(running.url)
        _assert_connector_works(connector)
        ready = running.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "wallet.key-service")
        remote.relay.gone = False
        _until(lambda: running.get("/readyz"), 200)
        with running.client() as admin:
            assert _add(admin).status_code == 201


@pytest.mark.usefixtures("quick")
def test_a_first_start_while_the_key_service_is_away(remote: RemoteCase, tmp_path: Path) -> None:
    remote.relay.gone = True
    with replica(scratch(tmp_path), master=opened(remote)) as running:
        assert running.get("/readyz").json()["code"] == "wallet.key-service"
        remote.relay.gone = False
        _until(lambda: running.get("/readyz"), 200)
        with running.client() as admin:
            assert _add(admin).status_code == 201


@pytest.mark.usefixtures("quick")
def test_what_is_taken_away_ends_within_bounds(remote: RemoteCase, tmp_path: Path) -> None:
    store = scratch(tmp_path)
    with replica(store, master=opened(remote)) as running, running.client() as admin:
        assert _add(admin).status_code == 201
        remote.forbid()
        time.sleep(_KEPT)
        answer = _add(admin, "late")
        assert (answer.status_code, answer.json()["code"]) == (503, "wallet.key-refused")
        assert running.get("/readyz").json()["problem"]["code"] == "wallet.key-refused"
        with pytest.raises(KeyServiceRefused):
            opened(remote).wrap(KEY, "data-key acme 1")
        remote.allow()
        _until(lambda: _add(admin, "late"), 201)


def test_requests_seldom_ask_the_key_service(remote: RemoteCase, tmp_path: Path) -> None:
    with replica(scratch(tmp_path), master=opened(remote)) as running, running.client() as admin:
        assert _add(admin).status_code == 201
        remote.relay.gone = True
        remote.relay.cut()
        for number in range(20):
            assert _add(admin, f"c{number}").status_code == 201
        assert admin.post("/ips/credentials/$rotate").status_code == 503


@pytest.mark.usefixtures("quick")
def test_no_transaction_waits_for_the_key_service(remote: RemoteCase, database: Database) -> None:
    wallet = Wallet(opened(remote))
    _store_some(database, wallet)
    time.sleep(_KEPT)
    failed: list[BaseException] = []

    def seal() -> None:
        try:
            wallet.writing(database, lambda tx: wallet.seal(tx, "acme", "x", b"secret"))
        except KeyServiceAway as error:
            failed.append(error)

    with remote.relay.stalled():
        waiting = threading.Thread(target=seal)
        waiting.start()
        time.sleep(0.3)
        with database.writing() as tx:
            customers.add_customer(tx, "other", "other")
        assert waiting.is_alive()
        waiting.join()
    assert failed


def test_a_claim_whose_secret_cannot_be_opened_takes_no_job(
    remote: RemoteCase, tmp_path: Path, quick: None
) -> None:
    with replica(scratch(tmp_path), master=opened(remote)) as running, running.client() as admin:
        place = location(admin)
        connector = RawConnector(admin, place)
        assert _add(admin).status_code == 201
        job = admin.post("/ips/images/$export", json=export(place, "share")).json()["id"]
        remote.relay.gone = True
        remote.relay.cut()
        time.sleep(_KEPT)
        assert connector.post("$claim", wait=0, version="1").status_code == 503
        remote.relay.gone = False
        answer = _until(lambda: connector.post("$claim", wait=0, version="1"), 200)
        assert (answer.json()["job"], answer.json()["fence"]) == (job, 1)
        assert list(answer.json()["credentials"]) == ["share"]
