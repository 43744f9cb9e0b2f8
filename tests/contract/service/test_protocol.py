"""What a connector is handed, and what it may say: sealed secrets, fences, jobs of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from imageport.service.store.database import Database
from imageport.wire.credentials import CREDENTIAL, UsernamePasswordCredential
from imageport.wire.sealed import SealBroken, unseal
from tests.contract.service.replica import (
    QUICK,
    RawConnector,
    Replica,
    export,
    location,
    migration,
    replica,
)

SHARE = {"id": "share", "type": "UsernamePassword", "username": "ips", "password": "Correct-7"}


@pytest.fixture
def service(database: Database) -> Iterator[Replica]:
    with replica(database, replace(QUICK, lease=timedelta(seconds=2))) as running:
        yield running


@pytest.fixture
def admin(service: Replica) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def test_a_secret_is_handed_to_the_lease_alone(admin: httpx.Client) -> None:
    place = location(admin)
    assert admin.post("/ips/images/$export", json=export(place, "share")).status_code == 404
    assert admin.post("/ips/credentials", json=SHARE).status_code == 201
    job = admin.post("/ips/images/$export", json=export(place, "share")).json()["id"]
    assert admin.delete("/ips/credentials/share").status_code == 409
    holder, other = RawConnector(admin, place, "one"), RawConnector(admin, place, "two")
    work = holder.claim()
    assert work["job"] == job
    assert "Correct-7" not in str(work)
    sealed, lease = work["credentials"]["share"], (holder.id, job, 1)
    secret = unseal(sealed, holder.sealing, lease=lease, credential="share")
    opened = CREDENTIAL.validate_json(secret)
    assert isinstance(opened, UsernamePasswordCredential)
    assert (opened.username, opened.password) == ("ips", "Correct-7")
    for key, wrong in ((other.sealing, lease), (holder.sealing, (holder.id, job, 2))):
        with pytest.raises(SealBroken):
            unseal(sealed, key, lease=wrong, credential="share")
    uses = [e["what"] for e in admin.get("/ips/audit").json()["items"]]
    assert "share" in uses
    holder.post(f"jobs/{job}/$finish", fence=1, status="complete")
    assert admin.delete("/ips/credentials/share").status_code == 204


def test_a_lost_lease_is_the_next_ones(admin: httpx.Client) -> None:
    place = location(admin)
    job = admin.post("/ips/images/$migrate", json=migration(place)).json()["id"]
    slow, quick = RawConnector(admin, place, "slow"), RawConnector(admin, place, "quick")
    assert slow.claim()["fence"] == 1
    assert quick.claim() is None
    assert quick.post(f"jobs/{job}/$renew", fence=1).status_code == 409
    taken = quick.claim(20)  # the lease runs out in two seconds
    assert (taken["job"], taken["fence"]) == (job, 2)
    for path, body in (("$renew", {}), ("$finish", {"status": "complete"}), ("$release", {})):
        late = slow.post(f"jobs/{job}/{path}", fence=1, **body)
        assert (late.status_code, late.json()["code"]) == (409, "lease.lost")
    assert quick.post(f"jobs/{job}/$finish", fence=2, status="complete").status_code == 204
    assert quick.post(f"jobs/{job}/$finish", fence=2, status="complete").status_code == 204
    ended = admin.get(f"/ips/jobs/{job}").json()
    assert (ended["overallStatus"], ended["attempt"]) == ("complete", 2)
    assert ended["connectorId"] == quick.id


def test_another_locations_job_is_out_of_reach(admin: httpx.Client) -> None:
    here, there = location(admin, "here"), location(admin, "there")
    job = admin.post("/ips/images/$migrate", json=migration(here)).json()["id"]
    stranger = RawConnector(admin, there)
    assert stranger.claim() is None
    assert stranger.post(f"jobs/{job}/$finish", fence=1, status="complete").status_code == 409
    assert admin.get(f"/ips/jobs/{job}").json()["overallStatus"] == "notStarted"


def test_released_work_is_claimed_at_once(admin: httpx.Client) -> None:
    place = location(admin)
    job = admin.post("/ips/images/$migrate", json=migration(place)).json()["id"]
    one, two = RawConnector(admin, place, "one"), RawConnector(admin, place, "two")
    one.claim()
    assert one.post(f"jobs/{job}/$release", fence=1).status_code == 204
    assert two.claim()["fence"] == 2
