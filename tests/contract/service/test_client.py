"""The SDK against a replica: calls, waiting, following, and a service that is away for a moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest

from imageport.client import Account, AsyncClient, Client, JobFailed, ServiceUnreachable, calls
from imageport.client.attempts import Attempts
from imageport.model.errors import RemoteError
from imageport.model.service import CredentialType, JobStatus
from imageport.service.bootstrap import first_administrator
from imageport.wire.credentials import CREDENTIAL
from imageport.wire.documents import Job, LogLine
from imageport.wire.images import MigrateImage
from tests.contract.service.replica import (
    RawConnector,
    Replica,
    location,
    migration,
    replica,
    scratch,
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    with replica(scratch(tmp_path_factory.mktemp("client"))) as running:
        yield running


@pytest.fixture(scope="module")
def account(service: Replica) -> Account:
    first = first_administrator(service.state.store, "sdk")
    assert first
    return Account(service.url, "sdk", first.client_id, first.secret)


@pytest.fixture
def admin(service: Replica) -> Iterator[httpx.Client]:
    with service.client("sdk") as client:
        yield client


def _request(place: str) -> MigrateImage:
    return MigrateImage.model_validate(migration(place))


def _work(connector: RawConnector, status: str, **said: object) -> None:
    work = connector.claim(20)
    line = {"number": 1, "at": "2026-01-01T00:00:00Z", "level": "info", "text": "working"}
    path = f"jobs/{work['job']}"
    assert connector.post(f"{path}/$renew", fence=1, lines=[line]).status_code == 200
    assert connector.post(f"{path}/$finish", fence=1, status=status, **said).status_code == 204


def test_a_job_is_started_followed_and_waited_for(account: Account, admin: httpx.Client) -> None:
    place = location(admin, "followed")
    connector = RawConnector(admin, place)
    with Client(account) as client:
        job = client.send(calls.start(_request(place)))
        worker = threading.Thread(target=_work, args=(connector, "complete"))
        worker.start()
        followed = list(client.follow(job.id))
        worker.join()
        assert [e.text for e in followed if isinstance(e, LogLine)][-1] == "working"
        last = [each for each in followed if isinstance(each, Job)][-1]
        assert last.overall_status is JobStatus.COMPLETE
        assert client.wait(job.id).id == job.id
        assert client.send(calls.logs(job.id, "1.0")).items[0].text == "working"
        assert job.id in [each.id for each in client.all_jobs(JobStatus.COMPLETE)]


def test_a_job_that_fails_says_why(account: Account, admin: httpx.Client) -> None:
    place = location(admin, "failing")
    connector = RawConnector(admin, place)
    with Client(account) as client:
        job = client.send(calls.start(_request(place), dry_run=True))
        assert job.dry_run
        error = {"code": "job.blocked", "sentence": "It is blocked.", "remedy": "Unblock it."}
        _work(connector, "error", error=error)
        with pytest.raises(JobFailed, match="It is blocked") as failed:
            client.wait(job.id, every=0.1)
        assert failed.value.advice == "Unblock it."


def test_the_same_call_sent_twice_is_one_job(account: Account, admin: httpx.Client) -> None:
    call = calls.start(_request(location(admin, "twice")))
    with Client(account) as client:
        assert client.send(call).id == client.send(call).id


def test_the_services_own_words(account: Account) -> None:
    simple = CREDENTIAL.validate_python({"id": "one", "type": "Simple", "secret": "x"})
    with Client(account) as client:
        assert client.send(calls.add_credential(simple)).type is CredentialType.SIMPLE
        with pytest.raises(RemoteError) as exists:
            client.send(calls.add_credential(simple))
        assert exists.value.code == "service.exists"
        client.send(calls.remove_credential("one"))
        assert client.send(calls.credentials()).items == ()


def test_a_wrong_secret(account: Account) -> None:
    wrong = Account(account.url, account.customer, account.client_id, "wrong")
    with Client(wrong) as client, pytest.raises(RemoteError) as refused:
        client.send(calls.status())
    assert refused.value.code == "auth.secret"
    assert "wrong" not in repr(wrong)


def test_nobody_there() -> None:
    nobody = Account("http://127.0.0.1:9", "c", "i", "s")
    with Client(nobody, patience=0.5) as client, pytest.raises(ServiceUnreachable):
        client.send(calls.status())


def test_trying_again() -> None:
    attempts = Attempts("http://service", 60)
    assert attempts.after_answer(httpx.Response(200)) is None
    assert attempts.after_answer(httpx.Response(409)) is None
    paused = attempts.after_answer(httpx.Response(503, headers={"Retry-After": "2"}))
    assert paused
    assert paused >= 2
    assert (
        Attempts("http://service", 1).after_answer(
            httpx.Response(429, headers={"Retry-After": "9"})
        )
        is None
    )


def test_asyncio(account: Account, admin: httpx.Client) -> None:
    place = location(admin, "asynchronous")

    async def drive() -> str:
        async with AsyncClient(account) as client:
            job = await client.send(calls.start(_request(place)))
            await client.send(calls.cancel(job.id))
            with pytest.raises(JobFailed, match="cancelled"):
                await client.wait(job.id)
            return (await client.send(calls.status())).status

    assert asyncio.run(drive()) == "ok"
