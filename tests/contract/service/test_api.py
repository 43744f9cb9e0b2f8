"""The API over real HTTP, on both databases: jobs, credentials, places, problems."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from imageport.model.service import Role
from imageport.service.store import jobs
from imageport.service.store.database import Database
from tests.contract.service.replica import (
    QUICK,
    RawConnector,
    Replica,
    export,
    location,
    migration,
    replica,
    scratch,
)

SECRET = "Correct-Horse-7"  # noqa: S105  # of nobody


@pytest.fixture
def service(database: Database) -> Iterator[Replica]:
    with replica(database) as running:
        yield running


@pytest.fixture
def admin(service: Replica) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def _start(client: httpx.Client, place: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/ips/images/$migrate", json=migration(place, **more))
    assert answer.status_code == 202, answer.text
    started: dict[str, Any] = answer.json()
    return started


def _problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["remedy"]
    return problem


def test_a_job_from_start_to_end(admin: httpx.Client) -> None:
    place = location(admin)
    answer = admin.post(
        "/ips/images/$migrate", json=migration(place, tags={"ctx-user": "me"}, xdReconfigure=[])
    )
    assert answer.status_code == 202
    id = answer.json()["id"]
    assert answer.headers["location"] == f"/ips/jobs/{id}"
    connector = RawConnector(admin, place)
    work = connector.claim()
    assert (work["job"], work["fence"], work["dryRun"]) == (id, 1, False)
    assert work["request"]["sourceDiskName"] == "/images/master.vmdk"
    lines = [
        {"number": 1, "at": "2026-01-01T00:00:00Z", "level": "info", "text": "one"},
        {"number": 2, "at": "2026-01-01T00:00:01Z", "level": "warning", "text": "two\n\x1b[2J"},
    ]
    progress = {"step": "boot", "title": "Boot", "done": 1, "total": 4, "percent": 50}
    renewed = connector.post(f"jobs/{id}/$renew", fence=1, progress=progress, lines=lines)
    assert renewed.json() == {"leaseSeconds": 60.0, "cancel": False}
    job = admin.get(f"/ips/jobs/{id}").json()
    assert job["overallStatus"] == "inProgress"
    assert job["overallProgressPercent"] == 50
    assert job["step"] == {"name": "boot", "title": "Boot", "done": 1, "total": 4, "unit": ""}
    assert job["warnings"] == ["two\\x0a\\x1b[2J"]
    assert job["tags"] == {"ctx-user": "me"}
    ended = connector.post(f"jobs/{id}/$finish", fence=1, status="complete", result={"a": 1})
    assert ended.status_code == 204
    job = admin.get(f"/ips/jobs/{id}").json()
    assert (job["overallStatus"], job["result"]) == ("complete", {"a": 1})
    log = admin.get(f"/ips/jobs/{id}/logs").json()
    assert [line["text"] for line in log["items"]] == [
        "Claimed by the connector raw.",
        "one",
        "two\\x0a\\x1b[2J",
    ]
    assert log["continuationToken"] == "1.2"


def test_keys_in_any_case(admin: httpx.Client) -> None:
    body = {key.upper(): value for key, value in migration(location(admin)).items()}
    assert admin.post("/ips/images/$migrate", json=body).status_code == 202


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ({"soruceDiskName": "/a"}, "did you mean sourceDiskName?"),
        ({"SourceDiskName": "/twice"}, "there twice"),
        ({"platform": "Mars"}, "Local"),
        ({"targetPlatform": "azure"}, "Azure"),
        ({"sourceDiskName": "/a\nb"}, "match"),
        ({"timeout": 1}, "greater"),
        ({"xdReconfigure": [{"ParamterName": "x"}]}, "did you mean ParameterName?"),
    ],
)
def test_what_a_request_may_not_say(admin: httpx.Client, more: dict[str, Any], hint: str) -> None:
    answer = admin.post("/ips/images/$migrate", json=migration(location(admin), **more))
    problem = _problem(answer, 422, "request.invalid")
    assert hint in str(problem["data"]["errors"])


@pytest.mark.parametrize("platform", ["Local", "Aws"])
def test_a_field_is_named_alike_on_every_platform(admin: httpx.Client, platform: str) -> None:
    body = {**export(location(admin), "files"), "platform": platform, "timeout": 1}
    problem = _problem(admin.post("/ips/images/$export", json=body), 422, "request.invalid")
    first = problem["data"]["errors"][0]
    assert first["field"] == ("body.timeout" if platform == "Local" else "body")
    answer = admin.post("/ips/images/$export", json={**body, "platform": "Mars"})
    assert "Local, Aws" in _problem(answer, 422, "request.invalid")["detail"]


def test_problems(admin: httpx.Client, service: Replica) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"
    _problem(admin.get(f"/ips/jobs/{nowhere}"), 404, "service.not-found")
    _problem(admin.get("/ips/jobs/nothing"), 422, "request.invalid")
    _problem(admin.get("/nothing"), 404, "service.not-found")
    _problem(admin.put("/ips/jobs"), 405, "request.method")
    _problem(admin.post("/ips/images/$migrate", json=migration(nowhere)), 404, "service.not-found")
    headers = {"Content-Type": "application/json"}
    _problem(
        admin.post("/ips/images/$migrate", content=b"{", headers=headers), 400, "request.malformed"
    )
    _problem(admin.get("/ips/jobs?continuationToken=x"), 400, "request.malformed")
    large = b"x" * (QUICK.request_bytes + 1)
    _problem(admin.post("/ips/images/$migrate", content=large), 413, "request.too-large")
    pieces = iter([b"x" * 65536] * 17)
    _problem(admin.post("/ips/images/$migrate", content=pieces), 413, "request.too-large")


def test_an_idempotency_key_has_one_effect(admin: httpx.Client) -> None:
    place = location(admin)
    headers = {"Idempotency-Key": "the-same"}
    start = threading.Barrier(6)

    def ask(_: int) -> httpx.Response:
        start.wait()
        return admin.post("/ips/images/$migrate", json=migration(place), headers=headers)

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(ask, range(6)))
    assert {answer.status_code for answer in said} == {202}
    assert len({answer.json()["id"] for answer in said}) == 1
    assert {answer.headers["location"] for answer in said} == {said[0].headers["location"]}
    assert len(admin.get("/ips/jobs").json()["items"]) == 1
    other = admin.post(
        "/ips/images/$migrate", json=migration(place, bootTimeout=1), headers=headers
    )
    _problem(other, 422, "request.key-reused")


def test_a_secret_that_is_said_once_is_said_again_to_the_same_key(
    admin: httpx.Client, database: Database
) -> None:
    body, headers = {"name": "ci", "role": "read"}, {"Idempotency-Key": "k"}
    one, two = (admin.post("/ips/clients", json=body, headers=headers).json() for _ in range(2))
    assert one == two
    assert len([c for c in admin.get("/ips/clients").json()["items"] if c["name"] == "ci"]) == 1
    assert one["clientSecret"].encode() not in _everything(database)


def test_paging(admin: httpx.Client) -> None:
    place = location(admin)
    made = {_start(admin, place)["id"] for _ in range(5)}
    seen: list[str] = []
    query: dict[str, Any] = {"pageSize": 2}
    while True:
        page = admin.get("/ips/jobs", params=query).json()
        assert page["pageSize"] == 2
        seen += [item["id"] for item in page["items"]]
        if page["continuationToken"] is None:
            break
        query["continuationToken"] = page["continuationToken"]
    assert len(seen) == 5
    assert set(seen) == made
    assert admin.get("/ips/jobs?overallStatus=error").json()["items"] == []


def test_cancelling_and_removing(admin: httpx.Client) -> None:
    place = location(admin)
    waiting, running = _start(admin, place), _start(admin, place)
    cancelled = admin.post(f"/ips/jobs/{waiting['id']}/$cancel")
    assert (cancelled.status_code, cancelled.json()["overallStatus"]) == (202, "cancelled")
    connector = RawConnector(admin, place)
    assert connector.claim()["job"] == running["id"]
    answer = admin.delete(f"/ips/jobs/{running['id']}")
    assert (answer.status_code, answer.json()["cancelRequested"]) == (202, True)
    path = f"jobs/{running['id']}"
    assert connector.post(f"{path}/$renew", fence=1).json()["cancel"] is True
    assert connector.post(f"{path}/$finish", fence=1, status="cancelled").status_code == 204
    for job in (waiting, running):
        assert admin.delete(f"/ips/jobs/{job['id']}").status_code == 204
        _problem(admin.get(f"/ips/jobs/{job['id']}"), 404, "service.not-found")


def test_ended_jobs_are_forgotten(tmp_path: Path) -> None:
    with replica(scratch(tmp_path), replace(QUICK, retention=timedelta(0))) as service:
        with service.client() as admin:
            job = _start(admin, location(admin))
            admin.post(f"/ips/jobs/{job['id']}/$cancel")
        with service.state.store.writing() as tx:
            assert jobs.forget_old(tx) == 1


def test_events(admin: httpx.Client) -> None:
    place = location(admin)
    job = _start(admin, place)["id"]
    connector = RawConnector(admin, place)
    connector.claim()

    def work() -> None:
        for number in (1, 2):
            line = {"number": number, "at": "2026-01-01T00:00:00Z", "level": "info", "text": "x"}
            connector.post(f"jobs/{job}/$renew", fence=1, lines=[line])
        connector.post(f"jobs/{job}/$finish", fence=1, status="error", error={"code": "a"})

    worker = threading.Thread(target=work)
    with admin.stream("GET", f"/ips/jobs/{job}/events", timeout=30) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        worker.start()
        text = "".join(stream.iter_text())
    worker.join()
    assert [line[4:] for line in text.splitlines() if line.startswith("id: ")] == [
        "1.0",
        "1.1",
        "1.2",
    ]
    assert '"overallStatus":"error"' in text
    assert text.rstrip().endswith("event: end\ndata: {}")
    again = admin.get(f"/ips/jobs/{job}/events", headers={"Last-Event-ID": "1.1"}).text
    assert [line for line in again.splitlines() if line.startswith("id: ")] == ["id: 1.2"]


def _everything(database: Database) -> bytes:
    """Every value of every row, as far as it is text or bytes."""
    from imageport.service.store.tables import METADATA  # noqa: PLC0415

    found = b""
    with database.engine.connect() as connection:
        for table in METADATA.sorted_tables:
            for row in connection.execute(table.select()):
                found += b" ".join(
                    bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    for value in row
                )
    return found


CREDENTIALS = [
    {"id": "a", "type": "UsernamePassword", "username": "u", "domain": "d", "password": SECRET},
    {"id": "b", "type": "Aws", "accessKeyId": "AKIA", "secretAccessKey": SECRET},
    {"id": "c", "type": "Azure", "tenantId": "t", "clientId": "c", "clientSecret": SECRET},
    {"id": "d", "type": "Gcp", "serviceAccountKey": {"private_key": SECRET}},
    {"id": "e", "Type": "Simple", "SECRET": SECRET},
]


def test_credentials_go_in_and_never_come_out(admin: httpx.Client, database: Database) -> None:
    for body in CREDENTIALS:
        made = admin.post("/ips/credentials", json=body)
        assert made.status_code == 201, made.text
        assert made.json().keys() == {"id", "type", "state", "createdAt", "updatedAt"}
    _problem(admin.post("/ips/credentials", json=CREDENTIALS[0]), 409, "service.exists")
    listed = admin.get("/ips/credentials")
    assert [each["id"] for each in listed.json()["items"]] == ["a", "b", "c", "d", "e"]
    assert [c["id"] for c in admin.get("/ips/credentials?type=Aws").json()["items"]] == ["b"]
    one = admin.get("/ips/credentials/a")
    changed = admin.put("/ips/credentials/a", json={"id": "a", "type": "Simple", "secret": "Other"})
    assert (changed.status_code, changed.json()["type"]) == (200, "Simple")
    assert admin.post("/ips/credentials/$rotate").json() == {"dataKey": 2}
    wrong = admin.post(
        "/ips/credentials", json={"id": "x", "type": "Simple", "secret": [SECRET], "y": SECRET}
    )
    _problem(wrong, 422, "request.invalid")
    assert admin.delete("/ips/credentials/b").status_code == 204
    _problem(admin.get("/ips/credentials/b"), 404, "service.not-found")
    for said in (listed, one, changed, wrong, admin.get("/ips/audit")):
        assert SECRET not in said.text
    assert SECRET.encode() not in _everything(database)


def test_places(admin: httpx.Client) -> None:
    place = location(admin)
    _problem(admin.post("/ips/resourceLocations", json={"name": "here"}), 409, "service.exists")
    connector = RawConnector(admin, place)
    connector.claim()
    (listed,) = admin.get("/ips/connectors").json()["items"]
    assert (listed["id"], listed["registered"], listed["online"]) == (connector.id, True, True)
    assert "code" not in listed
    _problem(admin.delete(f"/ips/resourceLocations/{place}"), 409, "service.in-use")
    assert admin.delete(f"/ips/connectors/{connector.id}").status_code == 204
    assert connector.post("$claim", version="1").status_code == 401
    assert admin.delete(f"/ips/resourceLocations/{place}").status_code == 204


def test_health_and_metrics(admin: httpx.Client, service: Replica) -> None:
    for path in ("/healthz", "/readyz"):
        assert service.get(path).json()["status"] == "ok"
    _start(admin, location(admin))
    text = service.get("/metrics").text
    assert 'imageport_jobs{status="notStarted"} 1.0' in text
    assert 'route="/ips/images/$migrate",status="202"} 1.0' in text
    assert "acme" not in text
    status = admin.get("/ips/status").json()
    assert (status["status"], status["jobs"]["notStarted"]) == ("ok", 1)


def test_roles_and_audit(service: Replica, admin: httpx.Client) -> None:
    place = location(admin)
    with service.client(role=Role.READ) as reader, service.client(role=Role.OPERATE) as operator:
        assert reader.get("/ips/jobs").status_code == 200
        _problem(reader.post("/ips/images/$migrate", json=migration(place)), 403, "auth.role")
        job = _start(operator, place)
        _problem(operator.post("/ips/credentials", json=CREDENTIALS[0]), 403, "auth.role")
        for client in (reader, operator):
            _problem(client.get("/ips/clients"), 403, "auth.role")
            _problem(client.get("/ips/audit"), 403, "auth.role")
    entries = admin.get("/ips/audit").json()["items"]
    assert ("job.migrate", job["id"]) in [(each["action"], each["what"]) for each in entries]
    assert admin.get(f"/ips/audit?after={entries[-1]['number']}").json()["items"] == []
