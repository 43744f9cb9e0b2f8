"""The store keeps its word on SQLite and on PostgreSQL alike, also to many at once."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, insert, select, update

from imageport.model.service import JobStatus, JobType, Level, Role
from imageport.service.errors import (
    Conflict,
    Exists,
    InUse,
    KeyReused,
    LeaseLost,
    NotFound,
    StoreOutdated,
    WrongSecret,
)
from imageport.service.store import answers, claims, customers, jobs, places, tables
from imageport.service.store.claims import End, Line, Progress
from imageport.service.store.credentials import Sealed
from imageport.service.store.database import Database
from imageport.service.store.jobs import Job
from imageport.service.store.places import Connector
from imageport.service.store.tables import METADATA
from imageport.service.store.tables import connectors as connectors_table
from imageport.service.store.tables import jobs as jobs_table
from imageport.service.store.tables import leases as leases_table
from imageport.service.store.tables import locations as locations_table
from tests.contract.service.claiming import (
    RUN_OUT,
    TERMS,
    claimed_job,
    queued_job,
    registered_place,
    second_connector,
)
from tests.contract.service.postgres import Postgres

MIGRATIONS = Path(tables.__file__).parent / "migrations"


def _read(database: Database, job: Job) -> Job:
    with database.reading() as tx:
        return jobs.read(tx, job.customer, job.id)


def test_migrations_make_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    database.check()


def test_a_job_of_the_first_version_is_claimed_after_the_upgrade(database_url: str) -> None:
    database = Database(database_url)
    with database.writing() as tx:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "0001")
    with pytest.raises(StoreOutdated):
        database.check()
    location, connector = str(uuid.uuid4()), str(uuid.uuid4())
    row = {
        "id": "5a0e9f0c-7d1c-4b9e-8f57-3f0f6f3c9d11",
        "customer": "acme",
        "location": location,
        "type": JobType.MIGRATE.value,
        "dry_run": False,
        "request": {},
        "status": JobStatus.NOT_STARTED.value,
        "created_by": "tester",
    }
    with database.writing() as tx:
        customers.add_customer(tx, "acme", "acme")
        named = {"customer": "acme", "name": "one", "created_at": tx.now}
        tx.run(insert(locations_table).values(named | {"id": location}))
        tx.run(insert(connectors_table).values(named | {"id": connector, "location": location}))
        tx.run(insert(jobs_table).values(row | {"created_at": tx.now, "claimable_at": tx.now}))
    database.upgrade()
    database.check()
    with database.reading() as tx:
        place = places.read_connector(tx, "acme", connector)
    held = claimed_job(database, place)
    assert held
    assert (held.id, held.trace) == (row["id"], None)
    database.close()


def test_a_job_waits_from_its_start_or_the_end_of_the_lease_before(database: Database) -> None:
    place = registered_place(database)
    queued_job(database, place)
    first = claimed_job(database, place)
    assert first
    with database.writing() as tx:
        assert claims.queued_since(tx, first) == first.created_at
        claims.release(tx, place, first.id, 1)
        released = tx.now
    second = claimed_job(database, place)
    assert second
    with database.reading() as tx:
        assert claims.queued_since(tx, second) == released


def test_a_database_without_an_encoding(postgres: Postgres) -> None:
    store = Database(postgres.new_database("SQL_ASCII"))
    store.upgrade()
    with store.writing() as tx:
        customers.add_customer(tx, "acme", "acme")
        made, _ = customers.add_client(tx, "acme", "Müller & Söhne", Role.READ)
    with store.reading() as tx:
        assert customers.read_client(tx, "acme", made.id).name == "Müller & Söhne"
    store.close()


def test_tables_of_another_version_are_refused(database_url: str) -> None:
    empty = Database(database_url)
    with pytest.raises(StoreOutdated):
        empty.check()
    empty.close()


def test_replicas_upgrade_at_once(database_url: str) -> None:
    replicas = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Database.upgrade, replicas))
    for each in replicas:
        each.check()
        each.close()


def test_a_job_from_start_to_end(database: Database) -> None:
    place = registered_place(database)
    job = queued_job(database, place, source="a")
    assert (job.status, job.fence) == (JobStatus.NOT_STARTED, 0)
    held = claimed_job(database, place)
    assert held
    assert (held.id, held.status, held.fence) == (job.id, JobStatus.IN_PROGRESS, 1)
    assert claimed_job(database, place) is None
    line = Line(1, held.created_at, Level.WARNING, "careful")
    with database.writing() as tx:
        claims.renew(tx, place, job.id, 1, TERMS, Progress("boot", "Boot", 1, 2, "s", 50), [line])
        claims.renew(tx, place, job.id, 1, TERMS, Progress("boot", "Boot", 1, 2, "s", 40), [line])
    with database.reading() as tx:
        assert [found for _, found in claims.lines_after(tx, job.id, (1, 0), 10)] == [line]
        assert claims.warnings(tx, job.id, 10) == ["careful"]
        assert jobs.read(tx, job.customer, job.id).percent == 50
    end = End(JobStatus.COMPLETE, {"root": "ab"})
    for _ in range(2):
        with database.writing() as tx:
            claims.finish(tx, place, job.id, 1, TERMS, end, [])
    done = _read(database, job)
    assert (done.status, done.result, done.percent) == (JobStatus.COMPLETE, {"root": "ab"}, 100)
    assert done.ended_at
    assert done.forget_at == done.ended_at + TERMS.keep
    assert claimed_job(database, place) is None


def test_only_the_newest_fence_may_speak(database: Database) -> None:
    place = registered_place(database)
    other = second_connector(database, place)
    job = queued_job(database, place)
    assert claimed_job(database, place, RUN_OUT)
    taken = claimed_job(database, other)
    assert taken
    assert taken.fence == 2
    for connector, fence in ((place, 1), (place, 2), (other, 1), (other, 3)):
        with pytest.raises(LeaseLost), database.writing() as tx:
            claims.renew(tx, connector, job.id, fence, TERMS, Progress(percent=99), [])
        with pytest.raises(LeaseLost), database.writing() as tx:
            claims.finish(tx, connector, job.id, fence, TERMS, End(JobStatus.COMPLETE), [])
        with pytest.raises(LeaseLost), database.writing() as tx:
            claims.release(tx, connector, job.id, fence)
    now = _read(database, job)
    assert (now.status, now.percent, now.connector) == (JobStatus.IN_PROGRESS, 0, other.id)
    with database.writing() as tx:
        claims.finish(tx, other, job.id, 2, TERMS, End(JobStatus.ERROR, error={"code": "x"}), [])
    with pytest.raises(LeaseLost), database.writing() as tx:
        claims.finish(tx, other, job.id, 2, TERMS, End(JobStatus.COMPLETE), [])


def test_the_database_itself_refuses_a_second_lease(database: Database) -> None:
    place = registered_place(database)
    job = queued_job(database, place)
    assert claimed_job(database, place)
    with pytest.raises(Exception, match=r"(?i)unique"), database.writing() as tx:
        row = {"job": job.id, "fence": 1, "connector": place.id, "since": tx.now, "until": tx.now}
        tx.run(insert(leases_table).values(row))


def test_a_lease_that_ran_out_can_be_renewed_while_nobody_took_it(database: Database) -> None:
    place = registered_place(database)
    job = queued_job(database, place)
    assert claimed_job(database, place, RUN_OUT)
    with database.writing() as tx:
        claims.renew(tx, place, job.id, 1, TERMS, None, [])
    assert claimed_job(database, place) is None


def test_what_is_released_is_claimed_at_once(database: Database) -> None:
    place = registered_place(database)
    job = queued_job(database, place)
    assert claimed_job(database, place)
    with database.writing() as tx:
        claims.release(tx, place, job.id, 1)
    again = claimed_job(database, second_connector(database, place))
    assert again
    assert again.fence == 2


def test_other_locations_and_customers_get_nothing(database: Database) -> None:
    place = registered_place(database)
    stranger = registered_place(database, "other")
    queued_job(database, place)
    assert claimed_job(database, stranger) is None
    with database.writing() as tx:
        there = places.add_location(tx, "acme", "elsewhere")
        away, _ = places.add_connector(tx, "acme", there.id, "away")
    assert claimed_job(database, away) is None
    with database.reading() as tx:
        assert claims.waiting(tx) == {place.location}


def test_a_job_that_ends_no_connector_is_given_up(database: Database) -> None:
    place = registered_place(database)
    job = queued_job(database, place)
    for _ in range(TERMS.attempts):
        assert claimed_job(database, place, RUN_OUT)
    assert claimed_job(database, place, RUN_OUT) is None
    ended = _read(database, job)
    assert ended.status is JobStatus.ERROR
    assert ended.error
    assert ended.error["code"] == "job.given-up"


def test_many_claim_at_once_and_each_job_is_held_once(database: Database) -> None:
    first = registered_place(database)
    connectors = [first, *(second_connector(database, first) for _ in range(7))]
    wanted = {queued_job(database, first, number=number).id for number in range(40)}
    start = threading.Barrier(len(connectors))

    def work(connector: Connector) -> list[str]:
        start.wait()
        mine, empty = [], 0
        while empty < 3:  # PostgreSQL may show nothing while others hold what is first
            job = claimed_job(database, connector)
            if job is None:
                empty += 1
                continue
            mine.append(job.id)
            with database.writing() as tx:
                end = End(JobStatus.COMPLETE, {"by": connector.id})
                claims.finish(tx, connector, job.id, job.fence, TERMS, end, [])
        return mine

    with ThreadPoolExecutor(len(connectors)) as pool:
        found = Counter(job for mine in pool.map(work, connectors) for job in mine)
    assert found == Counter(dict.fromkeys(wanted, 1))


def test_no_progress_is_lost_between_many_writers(database: Database) -> None:
    place = registered_place(database)
    job = queued_job(database, place)
    assert claimed_job(database, place)

    def say(number: int) -> None:
        with database.writing() as tx:
            current = tx.connection.scalar(
                select(jobs_table.c.done).where(jobs_table.c.id == job.id).with_for_update()
            )
            assert current is not None
            values = {"done": current + number}
            tx.run(update(jobs_table).where(jobs_table.c.id == job.id).values(values))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(say, range(1, 41)))
    assert _read(database, job).done == sum(range(1, 41))


def test_cancelling(database: Database) -> None:
    place = registered_place(database)
    waiting, running, ended = (queued_job(database, place, n=n) for n in range(3))
    with database.writing() as tx:
        assert jobs.cancel(tx, "acme", waiting.id, TERMS.keep).status is JobStatus.CANCELLED
    for job in (running, ended):
        held = claimed_job(database, place)
        assert held
        assert held.id == job.id
    with database.writing() as tx:
        claims.finish(tx, place, ended.id, 1, TERMS, End(JobStatus.COMPLETE), [])
        told = jobs.cancel(tx, "acme", running.id, TERMS.keep)
    assert (told.status, told.cancel) == (JobStatus.IN_PROGRESS, True)
    with database.writing() as tx:
        assert claims.renew(tx, place, running.id, 1, TERMS, None, []).cancel
        claims.finish(tx, place, running.id, 1, TERMS, End(JobStatus.CANCELLED), [])
        assert jobs.cancel(tx, "acme", running.id, TERMS.keep).status is JobStatus.CANCELLED
    with pytest.raises(Conflict), database.writing() as tx:
        jobs.cancel(tx, "acme", ended.id, TERMS.keep)


def test_removing_and_forgetting(database: Database) -> None:
    place = registered_place(database)
    job = queued_job(database, place)
    with database.writing() as tx:
        cancelled = jobs.remove(tx, "acme", job.id, timedelta(seconds=-1))
        assert cancelled
        assert cancelled.status is JobStatus.CANCELLED
        assert jobs.forget_old(tx) == 1
    with pytest.raises(NotFound):
        _read(database, job)
    kept = queued_job(database, place)
    with database.writing() as tx:
        jobs.cancel(tx, "acme", kept.id, TERMS.keep)
        assert jobs.forget_old(tx) == 0
        assert jobs.remove(tx, "acme", kept.id, TERMS.keep) is None
        assert sum(jobs.counts(tx, "acme").values()) == 0
        assert tx.connection.scalar(select(func.count()).select_from(leases_table)) == 0


def test_paging_names_every_job_once(database: Database) -> None:
    place = registered_place(database)
    made = [queued_job(database, place, n=n).id for n in range(7)]
    seen: list[str] = []
    after = None
    with database.reading() as tx:
        while page := jobs.page(tx, "acme", 3, after, None):
            seen += [job.id for job in page]
            after = (page[-1].created_at, page[-1].id)
        assert jobs.page(tx, "other", 3, None, None) == []
        assert jobs.page(tx, "acme", 3, None, JobStatus.ERROR) == []
    assert sorted(seen) == sorted(made)


def test_customers_see_nothing_of_each_other(database: Database) -> None:
    place, stranger = registered_place(database), registered_place(database, "other")
    job = queued_job(database, place)
    with database.reading() as tx:
        for look in (
            lambda: jobs.read(tx, "other", job.id),
            lambda: places.read_location(tx, "other", place.location),
            lambda: places.read_connector(tx, "other", place.id),
        ):
            with pytest.raises(NotFound):
                look()
        assert [found.id for found in places.list_connectors(tx, "other")] == [stranger.id]
    with pytest.raises(NotFound), database.writing() as tx:
        jobs.cancel(tx, "other", job.id, TERMS.keep)
    with pytest.raises(NotFound), database.writing() as tx:
        places.add_connector(tx, "other", place.location, "spy")


def test_clients_and_their_secrets(database: Database) -> None:
    with database.writing() as tx:
        assert customers.add_customer(tx, "acme", "Acme")
        assert not customers.add_customer(tx, "acme", "Acme")
        client, secret = customers.add_client(tx, "acme", "ci", Role.OPERATE)
    with database.reading() as tx:
        for customer in ("acme", None):
            assert customers.client_of_secret(tx, customer, client.id, secret) == client
        for customer, id, wrong in (
            ("acme", client.id, secret + "x"),
            ("acme", "nobody", secret),
            ("other", client.id, secret),
        ):
            with pytest.raises(WrongSecret):
                customers.client_of_secret(tx, customer, id, wrong)
    with database.engine.connect() as connection:
        (row,) = connection.exec_driver_sql("SELECT * FROM clients").all()
    assert secret not in str(row)


def test_one_time_codes(database: Database) -> None:
    place = registered_place(database)
    with database.writing() as tx:
        made, code = places.add_connector(tx, "acme", place.location, "two")
    keys = ("a" * 44, "b" * 44)
    with database.writing() as tx:
        assert places.register(tx, made.id, code, keys, "1").signing_key == keys[0]
        assert places.register(tx, made.id, code, keys, "1").sealing_key == keys[1]
    with pytest.raises(Conflict), database.writing() as tx:
        places.register(tx, made.id, code, ("c" * 44, "b" * 44), "1")
    with pytest.raises(WrongSecret), database.writing() as tx:
        places.register(tx, made.id, "guess", keys, "1")
    with pytest.raises(WrongSecret), database.writing() as tx:
        places.register(tx, place.id, code, keys, "1")


def test_names_are_taken_and_places_in_use(database: Database) -> None:
    place = registered_place(database)
    with database.writing() as tx:
        with pytest.raises(Exists):
            places.add_location(tx, "acme", "here")
        with pytest.raises(InUse):
            places.remove_location(tx, "acme", place.location)
        places.remove_connector(tx, "acme", place.id)
        places.remove_location(tx, "acme", place.location)
        assert places.list_locations(tx, "acme") == []


def test_an_answer_is_given_once_also_to_two_at_once(database: Database) -> None:
    registered_place(database)
    done: list[int] = []

    def ask(number: int) -> bytes:
        with database.writing() as tx:
            known = answers.begin(tx, "acme", "key", "hash")
            if known:
                return known.sealed
            done.append(number)
            answer = str(number).encode()
            answers.keep(tx, "acme", "key", Sealed(0, answer))
            return answer

    with ThreadPoolExecutor(8) as pool:
        said = set(pool.map(ask, range(24)))
    assert len(done) == 1
    assert said == {str(done[0]).encode()}
    with pytest.raises(KeyReused), database.writing() as tx:
        answers.begin(tx, "acme", "key", "another request")
