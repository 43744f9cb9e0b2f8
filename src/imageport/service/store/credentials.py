"""Sealed credentials, by the names that users pick."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from imageport.model.service import CredentialType
from imageport.service.errors import Exists, NotFound
from imageport.service.store.database import Tx
from imageport.service.store.tables import credentials


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret under the data key with this number."""

    data_key: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """All but the secret."""

    customer: str
    id: str
    type: CredentialType
    created_at: datetime
    updated_at: datetime


def add(tx: Tx, customer: str, id: str, type: CredentialType, secret: Sealed) -> CredentialRow:
    """Raises Exists."""
    if tx.run(select(credentials.c.id).where(_is(customer, id))).first():
        raise Exists(what="credential", id=id)
    row = CredentialRow(customer, id, type, tx.now, tx.now)
    tx.run(
        insert(credentials).values(
            customer=customer,
            id=id,
            type=type.value,
            data_key=secret.data_key,
            sealed=secret.sealed,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
    )
    return row


def change(tx: Tx, customer: str, id: str, type: CredentialType, secret: Sealed) -> CredentialRow:
    """Replace type and secret. Raises NotFound."""
    values = {
        "type": type.value,
        "data_key": secret.data_key,
        "sealed": secret.sealed,
        "updated_at": tx.now,
    }
    tx.run(update(credentials).where(_is(customer, id)).values(values))
    return read(tx, customer, id)


def reseal(tx: Tx, customer: str, id: str, secret: Sealed) -> None:
    """Keep the same secret under another data key."""
    values = {"data_key": secret.data_key, "sealed": secret.sealed}
    tx.run(update(credentials).where(_is(customer, id)).values(values))


def read(tx: Tx, customer: str, id: str) -> CredentialRow:
    """Raises NotFound."""
    row = tx.run(select(credentials).where(_is(customer, id))).first()
    if row is None:
        raise NotFound(what="credential", id=id)
    return _row(row)


def list_all(tx: Tx, customer: str, type: CredentialType | None = None) -> list[CredentialRow]:
    """By name."""
    query = select(credentials).where(credentials.c.customer == customer)
    if type:
        query = query.where(credentials.c.type == type.value)
    return [_row(row) for row in tx.run(query.order_by(credentials.c.id))]


def secret_of(tx: Tx, customer: str, id: str) -> Sealed:
    """Raises NotFound."""
    row = tx.run(select(credentials).where(_is(customer, id)).with_for_update()).first()
    if row is None:
        raise NotFound(what="credential", id=id)
    return Sealed(row.data_key, row.sealed)


def remove(tx: Tx, customer: str, id: str) -> None:
    """Raises NotFound."""
    if not tx.run(delete(credentials).where(_is(customer, id))).rowcount:
        raise NotFound(what="credential", id=id)


def _is(customer: str, id: str) -> Any:
    return (credentials.c.customer == customer) & (credentials.c.id == id)


def _row(row: Row[Any]) -> CredentialRow:
    return CredentialRow(
        row.customer, row.id, CredentialType(row.type), row.created_at, row.updated_at
    )
