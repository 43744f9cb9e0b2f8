"""A place with connectors and jobs, straight in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from imageport.model.service import JobType, PlatformName
from imageport.service.store import claims, customers, jobs, places
from imageport.service.store.claims import Terms
from imageport.service.store.database import Database
from imageport.service.store.jobs import Job, NewJob
from imageport.service.store.places import Connector

TERMS = Terms(timedelta(seconds=60), timedelta(hours=24), 5)
RUN_OUT = replace(TERMS, lease=timedelta(seconds=-1))


def registered_place(database: Database, customer: str = "acme") -> Connector:
    with database.writing() as tx:
        customers.add_customer(tx, customer, customer)
        location = places.add_location(tx, customer, "here")
        connector, code = places.add_connector(tx, customer, location.id, "one")
        return places.register(tx, connector.id, code, ("s" * 44, "e" * 44), "1")


def second_connector(database: Database, first: Connector) -> Connector:
    with database.writing() as tx:
        made, _ = places.add_connector(tx, first.customer, first.location, "two")
        return made


def queued_job(database: Database, place: Connector, **request: Any) -> Job:
    with database.writing() as tx:
        new = NewJob(
            place.customer, place.location, JobType.MIGRATE, PlatformName.LOCAL, request, "tester"
        )
        return jobs.create(tx, new)


def claimed_job(database: Database, connector: Connector, terms: Terms = TERMS) -> Job | None:
    with database.writing() as tx:
        return claims.claim(tx, connector, terms)
