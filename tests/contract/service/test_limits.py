"""Limits of locations hold on SQLite and on PostgreSQL alike, also for many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from imageport.model.service import JobStatus, PlatformName
from imageport.service.errors import Exists, NotFound
from imageport.service.store import claims, places
from imageport.service.store.claims import End
from imageport.service.store.database import Database
from imageport.service.store.places import Connector, Limits
from tests.contract.service.claiming import (
    RUN_OUT,
    TERMS,
    claimed_job,
    queued_job,
    registered_place,
    second_connector,
)


def _limit(database: Database, place: Connector, limits: Limits) -> None:
    with database.writing() as tx:
        places.change_location(tx, place.customer, place.location, "here", limits)


@pytest.mark.parametrize("limits", [Limits(2), Limits(None, {PlatformName.LOCAL: 2}), Limits(9)])
def test_no_more_jobs_are_under_way_than_a_location_allows(
    database: Database, limits: Limits
) -> None:
    first = registered_place(database)
    _limit(database, first, limits)
    connectors = [first, *(second_connector(database, first) for _ in range(5))]
    for _ in range(8):
        queued_job(database, first)
    with ThreadPoolExecutor(len(connectors)) as pool:
        held = [job for job in pool.map(partial(claimed_job, database), connectors) if job]
    allowed = limits.jobs or limits.platforms[PlatformName.LOCAL]
    assert len(held) == min(allowed, len(connectors))
    if allowed > len(held):
        return
    assert claimed_job(database, first) is None
    by = next(each for each in connectors if each.id == held[0].connector)
    with database.writing() as tx:
        claims.finish(tx, by, held[0].id, 1, TERMS, End(JobStatus.COMPLETE), [])
    assert claimed_job(database, first)
    assert claimed_job(database, first) is None


def test_a_lease_that_ran_out_takes_no_place(database: Database) -> None:
    place = registered_place(database)
    _limit(database, place, Limits(1))
    job = queued_job(database, place)
    assert claimed_job(database, place, RUN_OUT)
    again = claimed_job(database, second_connector(database, place))
    assert again
    assert (again.id, again.fence) == (job.id, 2)
    queued_job(database, place)
    assert claimed_job(database, place) is None
    _limit(database, place, Limits())
    assert claimed_job(database, place)


def test_limits_are_kept_and_shown(database: Database) -> None:
    place = registered_place(database)
    limits = Limits(3, {PlatformName.LOCAL: 1})
    _limit(database, place, limits)
    with database.writing() as tx:
        assert places.read_location(tx, "acme", place.location).limits == limits
        places.add_location(tx, "acme", "there", limits)
        assert [each.limits for each in places.list_locations(tx, "acme")] == [limits, limits]
        with pytest.raises(Exists):
            places.change_location(tx, "acme", place.location, "there", limits)
        with pytest.raises(NotFound):
            places.change_location(tx, "other", place.location, "here", limits)
