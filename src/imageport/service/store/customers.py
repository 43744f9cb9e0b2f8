"""Customers, and the clients that speak for them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from imageport.model.service import Role
from imageport.service.errors import NotFound, WrongSecret
from imageport.service.store.database import Tx
from imageport.service.store.tables import clients, customers


@dataclass(frozen=True, slots=True)
class Client:
    """Who may speak for a customer."""

    id: str
    customer: str
    name: str
    role: Role
    created_at: datetime


def hashed(secret: str) -> str:
    """How secrets that we made are kept.

    They are 256 random bits, which no slow hash would make harder to guess: SHA-256 will do.
    """
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def add_customer(tx: Tx, id: str, name: str) -> bool:
    """Make the customer; False when it is there."""
    if tx.run(select(customers.c.id).where(customers.c.id == id)).first():
        return False
    tx.run(insert(customers).values(id=id, name=name, created_at=tx.now))
    return True


def all_customers(tx: Tx) -> Sequence[str]:
    """Every customer's id."""
    return tx.run(select(customers.c.id).order_by(customers.c.id)).scalars().all()


def add_client(tx: Tx, customer: str, name: str, role: Role) -> tuple[Client, str]:
    """Make a client; returns it with its secret, which is not kept."""
    secret = secrets.token_urlsafe(32)
    client = Client(str(uuid.uuid4()), customer, name, role, tx.now)
    tx.run(
        insert(clients).values(
            id=client.id,
            customer=customer,
            name=name,
            role=role.value,
            secret_hash=hashed(secret),
            created_at=client.created_at,
        )
    )
    return client, secret


def client_of_secret(tx: Tx, customer: str | None, id: str, secret: str) -> Client:
    """The client with this id and secret; `customer` None for whichever. Raises WrongSecret."""
    found = tx.run(select(clients).where(clients.c.id == id)).first()
    # Compared also when there is nobody, so that the time taken does not say so.
    right = hmac.compare_digest(found.secret_hash if found else hashed(""), hashed(secret))
    if found is None or not right or customer not in (None, found.customer):
        raise WrongSecret(client=id)
    return _client(found)


def read_client(tx: Tx, customer: str, id: str) -> Client:
    """Raises NotFound."""
    chosen = (clients.c.id == id) & (clients.c.customer == customer)
    found = tx.run(select(clients).where(chosen)).first()
    if found is None:
        raise NotFound(what="client", id=id)
    return _client(found)


def list_clients(tx: Tx, customer: str) -> list[Client]:
    """The customer's clients, oldest first."""
    query = select(clients).where(clients.c.customer == customer)
    return [_client(row) for row in tx.run(query.order_by(clients.c.created_at, clients.c.id))]


def remove_client(tx: Tx, customer: str, id: str) -> None:
    """Its tokens end with it. Raises NotFound."""
    chosen = (clients.c.id == id) & (clients.c.customer == customer)
    if not tx.run(delete(clients).where(chosen)).rowcount:
        raise NotFound(what="client", id=id)


def _client(row: Row[Any]) -> Client:
    return Client(
        row.id,
        row.customer,
        row.name,
        Role(row.role),
        row.created_at,
    )
