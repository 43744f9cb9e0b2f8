"""The first start: a customer, its first administrator, a location and the local connector."""

from __future__ import annotations

from dataclasses import dataclass

from imageport.model.service import Role
from imageport.service.store import audit, customers, places
from imageport.service.store.database import Database


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """What is printed once."""

    customer: str
    client_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Announced:
    """A connector that may register."""

    id: str
    code: str


def first_administrator(store: Database, customer: str) -> FirstAdministrator | None:
    """Make the customer and its administrator; None when the customer is there."""
    with store.writing() as tx:
        if not customers.add_customer(tx, customer, customer):
            return None
        client, secret = customers.add_client(tx, customer, "first-administrator", Role.ADMINISTER)
        audit.write(tx, customer, "bootstrap", "client.add", client.id)
        return FirstAdministrator(customer, client.id, secret)


def local_connector(store: Database, customer: str, location: str, name: str) -> Announced:
    """Announce a connector of the service's own computer; the location is made when missing."""
    with store.writing() as tx:
        known = {each.name: each for each in places.list_locations(tx, customer)}
        place = known.get(location) or places.add_location(tx, customer, location)
        row, code = places.add_connector(tx, customer, place.id, name)
        audit.write(tx, customer, "bootstrap", "connector.add", row.id)
        return Announced(row.id, code)


def is_known_connector(store: Database, id: str) -> bool:
    """Whether the connector is still one of ours."""
    with store.reading() as tx:
        return places.find_connector(tx, id) is not None
