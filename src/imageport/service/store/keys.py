"""Keys at rest, always wrapped by a master key: the customers' data keys, and those of tokens."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from imageport.service.store.database import Tx
from imageport.service.store.tables import data_keys, token_keys


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key under the master key `master`; `id` is what it is bound to by associated data."""

    id: str
    master: str
    wrapped: bytes
    created_at: datetime


def data_key(tx: Tx, customer: str, number: int | None = None) -> tuple[int, WrappedKey] | None:
    """The customer's data key with this number, or the newest."""
    query = select(data_keys).where(data_keys.c.customer == customer)
    if number is not None:
        query = query.where(data_keys.c.number == number)
    row = tx.run(query.order_by(data_keys.c.number.desc()).limit(1)).first()
    return (row.number, _data_key(row)) if row else None


def data_key_id(customer: str, number: int) -> str:
    """What a data key is bound to."""
    return f"data-key {customer} {number}"


def add_data_key(tx: Tx, customer: str, number: int, master: str, wrapped: bytes) -> None:
    """Keep a new data key."""
    tx.run(
        insert(data_keys).values(
            customer=customer, number=number, master=master, wrapped=wrapped, created_at=tx.now
        )
    )


def token_keys_of(tx: Tx) -> list[WrappedKey]:
    """The keys of tokens, newest first."""
    query = select(token_keys).order_by(token_keys.c.created_at.desc(), token_keys.c.id)
    return [_token_key(row) for row in tx.run(query)]


def token_key_id(id: str) -> str:
    """What a token key is bound to."""
    return f"token-key {id}"


def new_token_key_id() -> str:
    """A key's name, which tokens carry as `kid`."""
    return str(uuid.uuid4())


def add_token_key(tx: Tx, id: str, master: str, wrapped: bytes) -> None:
    """Keep a new key of tokens."""
    tx.run(insert(token_keys).values(id=id, master=master, wrapped=wrapped, created_at=tx.now))


def remove_token_keys(tx: Tx, before: datetime) -> None:
    """Forget those made before `before`, but for the newest."""
    newest = token_keys_of(tx)[:1]
    keep = [key.id.removeprefix("token-key ") for key in newest]
    old = (token_keys.c.created_at < before) & token_keys.c.id.not_in(keep)
    tx.run(delete(token_keys).where(old))


def wrapped_otherwise(tx: Tx, master: str) -> list[WrappedKey]:
    """Every key that is not under the master key `master`."""
    data = tx.run(select(data_keys).where(data_keys.c.master != master))
    token = tx.run(select(token_keys).where(token_keys.c.master != master))
    return [*map(_data_key, data), *map(_token_key, token)]


def rewrap(tx: Tx, key: WrappedKey, master: str, wrapped: bytes) -> None:
    """Keep the key under another master key, unless another replica was faster."""
    kind, *names = key.id.split(" ")
    values = {"master": master, "wrapped": wrapped}
    if kind == "data-key":
        chosen = (data_keys.c.customer == names[0]) & (data_keys.c.number == int(names[1]))
        same = data_keys.c.wrapped == key.wrapped
        tx.run(update(data_keys).where(chosen & same).values(values))
    else:
        same = token_keys.c.wrapped == key.wrapped
        tx.run(update(token_keys).where((token_keys.c.id == names[0]) & same).values(values))


def _data_key(row: Row[Any]) -> WrappedKey:
    id = data_key_id(row.customer, row.number)
    return WrappedKey(id, row.master, row.wrapped, row.created_at)


def _token_key(row: Row[Any]) -> WrappedKey:
    return WrappedKey(token_key_id(row.id), row.master, row.wrapped, row.created_at)
