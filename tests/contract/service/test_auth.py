"""Who gets in: tokens, their ways to be wrong, other customers, and how often one may ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from imageport.model.service import Role
from imageport.service.bootstrap import first_administrator
from imageport.service.store import customers
from tests.contract.service.replica import (
    QUICK,
    RawConnector,
    Replica,
    location,
    migration,
    replica,
    scratch,
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    with replica(scratch(tmp_path_factory.mktemp("auth"))) as running:
        yield running


def _status(service: Replica, **headers: str) -> int:
    return service.get("/ips/jobs", **headers).status_code


def _client(service: Replica, customer: str = "acme") -> tuple[str, str]:
    with service.state.store.writing() as tx:
        customers.add_customer(tx, customer, customer)
        row, secret = customers.add_client(tx, customer, "test", Role.READ)
    return row.id, secret


def test_the_first_administrator_is_made_once(service: Replica) -> None:
    first = first_administrator(service.state.store, "new")
    assert first
    assert first_administrator(service.state.store, "new") is None
    token = service.token("new", first.client_id, first.secret)
    headers = {"Authorization": f"CWSAuth bearer={token}", "Citrix-CustomerId": "new"}
    assert service.get("/ips/clients", **headers).status_code == 200


@pytest.mark.parametrize(
    "form",
    ["Bearer {}", "bearer {}", "CwsAuth Bearer={}", "CWSAuth bearer={}", 'CwsAuth Bearer="{}"'],
)
def test_forms_of_the_header(service: Replica, form: str) -> None:
    token = service.token("acme", *_client(service))
    assert _status(service, Authorization=form.format(token)) == 200


def test_tokens_by_stock_ways(service: Replica) -> None:
    id, secret = _client(service)
    grant = {"grant_type": "client_credentials"}
    basic = service.ask_token("acme", grant, auth=(id, secret))
    assert basic.status_code == 200
    assert basic.headers["cache-control"] == "no-store"
    assert basic.json()["expires_in"] == 3600
    assert service.token("root", id, secret)
    for customer, body, error in (
        ("acme", grant, "invalid_client"),
        ("acme", {**grant, "client_id": id, "client_secret": "wrong"}, "invalid_client"),
        ("other", {**grant, "client_id": id, "client_secret": secret}, "invalid_client"),
        ("acme", {"grant_type": "password"}, "unsupported_grant_type"),
    ):
        said = service.ask_token(customer, body)
        assert said.json()["error"] == error
        assert said.status_code == (401 if error == "invalid_client" else 400)


def _forged(service: Replica, id: str, **changed: Any) -> str:
    with service.state.store.reading() as tx:
        kid, key = next(iter(service.state.wallet.token_keys(tx).items()))
    now = int(time.time())
    claims = {"iss": "imageport", "aud": "imageport-api", "sub": id, "customer": "acme"}
    claims |= {"iat": now, "exp": now + 60} | changed
    headers = {"kid": changed.pop("kid", kid)}
    said = {name: value for name, value in claims.items() if value is not None and name != "kid"}
    return jwt.encode(said, changed.pop("key", key), "HS256", headers=headers)


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "another-api"},
        {"aud": None},
        {"iss": "another"},
        {"sub": "nobody"},
        {"sub": None},
        {"customer": "other"},
        {"customer": None},
        {"kid": "unknown"},
    ],
    ids=str,
)
def test_tokens_that_are_wrong(service: Replica, changed: dict[str, Any]) -> None:
    id, _ = _client(service)
    assert _status(service, Authorization=f"Bearer {_forged(service, id)}") == 200
    assert _status(service, Authorization=f"Bearer {_forged(service, id, **changed)}") == 401


def test_tokens_that_are_none(service: Replica) -> None:
    id, _ = _client(service)
    good = _forged(service, id)
    head, body, signature = good.split(".")
    unsigned = jwt.encode({"sub": id, "aud": "imageport-api"}, "", "none")
    for token in ("=", "x", f"{head}.{body}.", f"{head}.{body}.{signature[::-1]}", unsigned):
        assert _status(service, Authorization=f"Bearer {token}") == 401
    assert _status(service) == 401
    assert _status(service, Authorization=f"Basic {good}") == 401
    answer = service.get("/ips/jobs")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "auth.token"


def test_a_removed_client_is_out_at_once(service: Replica) -> None:
    id, secret = _client(service)
    token = service.token("acme", id, secret)
    assert _status(service, Authorization=f"Bearer {token}") == 200
    with service.client() as admin:
        assert admin.delete(f"/ips/clients/{id}").status_code == 204
    assert _status(service, Authorization=f"Bearer {token}") == 401


def test_the_customer_header_must_be_the_tokens(service: Replica) -> None:
    token = f"Bearer {service.token('acme', *_client(service))}"
    assert _status(service, Authorization=token, **{"Citrix-CustomerId": "acme"}) == 200
    assert _status(service, Authorization=token, **{"Citrix-CustomerId": "other"}) == 403


def test_another_customers_ids_do_not_exist(service: Replica) -> None:
    with service.client("acme") as mine, service.client("stranger") as theirs:
        place = location(mine, "mine")
        job = mine.post("/ips/images/$migrate", json=migration(place)).json()["id"]
        connector = RawConnector(mine, place).id
        secret = {"id": "shared-name", "type": "Simple", "secret": "x"}
        assert mine.post("/ips/credentials", json=secret).status_code == 201
        (client,) = [c["id"] for c in mine.get("/ips/clients").json()["items"]][-1:]
        asked = [
            ("GET", f"/ips/jobs/{job}", None),
            ("GET", f"/ips/jobs/{job}/logs", None),
            ("GET", f"/ips/jobs/{job}/events", None),
            ("POST", f"/ips/jobs/{job}/$cancel", None),
            ("DELETE", f"/ips/jobs/{job}", None),
            ("GET", f"/ips/resourceLocations/{place}", None),
            ("DELETE", f"/ips/resourceLocations/{place}", None),
            ("GET", f"/ips/connectors/{connector}", None),
            ("DELETE", f"/ips/connectors/{connector}", None),
            ("POST", "/ips/connectors", {"resourceLocationId": place, "name": "x"}),
            ("POST", "/ips/images/$migrate", migration(place)),
            ("GET", "/ips/credentials/shared-name", None),
            ("PUT", "/ips/credentials/shared-name", secret),
            ("DELETE", "/ips/credentials/shared-name", None),
            ("DELETE", f"/ips/clients/{client}", None),
        ]
        for method, path, body in asked:
            answer = theirs.request(method, path, json=body)
            assert (path, answer.status_code) == (path, 404)
        for path in ("jobs", "resourceLocations", "connectors", "credentials"):
            assert theirs.get(f"/ips/{path}").json()["items"] == []
        assert mine.get(f"/ips/jobs/{job}").json()["overallStatus"] == "notStarted"
        assert mine.get("/ips/credentials/shared-name").status_code == 200


def test_connectors_prove_themselves(service: Replica) -> None:
    with service.client() as admin:
        place = location(admin, "proving")
        one, two = RawConnector(admin, place, "one"), RawConnector(admin, place, "two")
        assert one.post("$claim", version="1").status_code == 204
        now = int(time.time())
        wrong: list[dict[str, Any]] = [
            {"exp": now - 100},
            {"exp": now + 3600},
            {"aud": "imageport-api"},
            {"iss": two.id},
            {"sub": two.id},
        ]
        for claims in wrong:
            said = one.ask("$claim", {"version": "1"}, one.headers(**claims))
            assert said.status_code == 401
        said = two.ask("$claim", {"version": "1"}, one.headers())
        assert said.status_code == 401
        assert one.ask("$claim", {"version": "1"}).status_code == 401
        admins = one.ask("$claim", {"version": "1"}, dict(admin.headers))
        assert admins.status_code == 401
        assert admin.get("/ips/jobs", headers=one.headers()).status_code == 401
        other = one.registration | {"signingKey": two.registration["signingKey"]}
        assert one.ask("$register", other).status_code == 409
        assert one.ask("$register", one.registration).status_code == 200
        guess = one.registration | {"code": "guess"}
        assert one.ask("$register", guess).status_code == 401


def test_too_many(tmp_path: Path) -> None:
    slow = replace(QUICK, requests_rate=0.1, requests_burst=3, logins_rate=0.1, logins_burst=2)
    with replica(scratch(tmp_path), slow) as service, service.client() as client:
        codes = [client.get("/ips/jobs").status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        assert int(client.get("/ips/jobs").headers["retry-after"]) >= 1
        grant = {"grant_type": "client_credentials"}
        assert [service.ask_token("acme", grant).status_code for _ in range(2)] == [401, 429]
