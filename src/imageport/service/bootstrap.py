"""The first start: a customer and its first administrator."""

from __future__ import annotations

from dataclasses import dataclass

from imageport.model.service import Role
from imageport.service.store import audit, customers
from imageport.service.store.database import Database


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """What is printed once."""

    customer: str
    client_id: str
    secret: str


def first_administrator(store: Database, customer: str) -> FirstAdministrator | None:
    """Make the customer and its administrator; None when the customer is there."""
    with store.writing() as tx:
        if not customers.add_customer(tx, customer, customer):
            return None
        client, secret = customers.add_client(tx, customer, "first-administrator", Role.ADMINISTER)
        audit.write(tx, customer, "bootstrap", "client.add", client.id)
        return FirstAdministrator(customer, client.id, secret)
