"""Resource locations and their connectors."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from imageport.model.service import PlatformName
from imageport.service.errors import Conflict, Exists, InUse, NotFound, WrongSecret
from imageport.service.store.customers import hashed
from imageport.service.store.database import Tx
from imageport.service.store.tables import connectors, jobs, locations

CODE_HOURS = 24
"""How long a connector's one-time code can be used."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs of a location may be under way at once: in all, and of a platform."""

    jobs: int | None = None
    platforms: Mapping[PlatformName, int] = field(default_factory=dict)


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Location:
    """Where connectors run."""

    id: str
    customer: str
    name: str
    created_at: datetime
    limits: Limits


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector; its keys are base64 of 32 bytes, None until it has registered."""

    id: str
    customer: str
    location: str
    name: str
    signing_key: str | None
    sealing_key: str | None
    version: str | None
    health: dict[str, Any] | None
    created_at: datetime
    seen_at: datetime | None


def add_location(tx: Tx, customer: str, name: str, limits: Limits = UNLIMITED) -> Location:
    """Raises Exists."""
    location = Location(str(uuid.uuid4()), customer, name, tx.now, limits)
    values = {"id": location.id, "customer": customer, "created_at": tx.now}
    with _unique(name), tx.connection.begin_nested():
        tx.run(insert(locations).values(values | _values(name, limits)))
    return location


def change_location(tx: Tx, customer: str, id: str, name: str, limits: Limits) -> Location:
    """Give it this name and these limits; jobs under way go on. Raises NotFound, Exists."""
    read_location(tx, customer, id)
    with _unique(name), tx.connection.begin_nested():
        tx.run(update(locations).where(locations.c.id == id).values(_values(name, limits)))
    return read_location(tx, customer, id)


def _values(name: str, limits: Limits) -> dict[str, Any]:
    by_platform = {platform.value: most for platform, most in limits.platforms.items()}
    return {"name": name, "most_jobs": limits.jobs, "most_by_platform": by_platform or None}


@contextmanager
def _unique(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Exists(what="resource location", id=name) from error


def read_location(tx: Tx, customer: str, id: str) -> Location:
    """Raises NotFound."""
    chosen = (locations.c.id == id) & (locations.c.customer == customer)
    row = tx.run(select(locations).where(chosen)).first()
    if row is None:
        raise NotFound(what="resource location", id=id)
    return _location(row)


def list_locations(tx: Tx, customer: str) -> list[Location]:
    """By name."""
    query = select(locations).where(locations.c.customer == customer).order_by(locations.c.name)
    return [_location(row) for row in tx.run(query)]


def remove_location(tx: Tx, customer: str, id: str) -> None:
    """Raises NotFound, or InUse while it has connectors or jobs."""
    read_location(tx, customer, id)
    for table, by in ((connectors, "connectors"), (jobs, "jobs")):
        if tx.run(select(table.c.id).where(table.c.location == id).limit(1)).first():
            raise InUse(what="resource location", id=id, by=by)
    tx.run(delete(locations).where(locations.c.id == id))


def add_connector(tx: Tx, customer: str, location: str, name: str) -> tuple[Connector, str]:
    """Announce a connector; returns it with its one-time code, which is not kept.

    Raises NotFound for the location.
    """
    read_location(tx, customer, location)
    id, code = str(uuid.uuid4()), secrets.token_urlsafe(24)
    values = {
        "id": id,
        "customer": customer,
        "location": location,
        "name": name,
        "code_hash": hashed(code),
        "code_until": tx.now + timedelta(hours=CODE_HOURS),
        "created_at": tx.now,
    }
    tx.run(insert(connectors).values(values))
    return read_connector(tx, customer, id), code


def register(tx: Tx, id: str, code: str, keys: tuple[str, str], version: str) -> Connector:
    """Take the connector's public keys (signing, sealing) for its code, once.

    The same again is answered the same, since an answer may be lost. Raises WrongSecret, Conflict.
    """
    row = tx.run(select(connectors).where(connectors.c.id == id).with_for_update()).first()
    if row is None or row.code_hash != hashed(code) or row.code_until <= tx.now:
        raise WrongSecret(client=id)
    if row.signing_key is not None and (row.signing_key, row.sealing_key) != keys:
        raise Conflict(detail="the code was used by a connector with other keys")
    values = {"signing_key": keys[0], "sealing_key": keys[1], "version": version}
    tx.run(update(connectors).where(connectors.c.id == id).values(values))
    return _find(tx, id)


def find_connector(tx: Tx, id: str) -> Connector | None:
    """Of whichever customer: it proves itself by its signature."""
    row = tx.run(select(connectors).where(connectors.c.id == id)).first()
    return _connector(row) if row else None


def read_connector(tx: Tx, customer: str, id: str) -> Connector:
    """Raises NotFound."""
    found = find_connector(tx, id)
    if found is None or found.customer != customer:
        raise NotFound(what="connector", id=id)
    return found


def list_connectors(tx: Tx, customer: str) -> list[Connector]:
    """By name."""
    query = select(connectors).where(connectors.c.customer == customer)
    rows = tx.run(query.order_by(connectors.c.name, connectors.c.id))
    return [_connector(row) for row in rows]


def remove_connector(tx: Tx, customer: str, id: str) -> None:
    """Its tokens end with it; jobs that it holds are claimed by others when their lease has run
    out. Raises NotFound."""
    read_connector(tx, customer, id)
    tx.run(delete(connectors).where(connectors.c.id == id))


def saw_connector(tx: Tx, id: str, version: str, health: dict[str, Any]) -> None:
    """It has asked for work."""
    values = {"seen_at": tx.now, "version": version, "health": health}
    tx.run(update(connectors).where(connectors.c.id == id).values(values))


def online(tx: Tx, customer: str, since: datetime) -> int:
    """How many connectors were heard of since then."""
    chosen = (connectors.c.customer == customer) & (connectors.c.seen_at >= since)
    return tx.connection.scalar(select(func.count()).select_from(connectors).where(chosen)) or 0


def _find(tx: Tx, id: str) -> Connector:
    return _connector(tx.run(select(connectors).where(connectors.c.id == id)).one())


def _location(row: Row[Any]) -> Location:
    return Location(row.id, row.customer, row.name, row.created_at, limits_of(row))


def limits_of(row: Row[Any]) -> Limits:
    """Of a row of `locations`."""
    by_platform = row.most_by_platform or {}
    return Limits(row.most_jobs, {PlatformName(name): most for name, most in by_platform.items()})


def _connector(row: Row[Any]) -> Connector:
    return Connector(
        row.id,
        row.customer,
        row.location,
        row.name,
        row.signing_key,
        row.sealing_key,
        row.version,
        row.health,
        row.created_at,
        row.seen_at,
    )
