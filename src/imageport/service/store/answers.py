"""What an Idempotency-Key was answered: kept in the transaction that has the request's effect.

What a client may rely on is said by the HTTP working group's draft of that header field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from imageport.service.errors import KeyReused
from imageport.service.store.credentials import Sealed
from imageport.service.store.database import Tx
from imageport.service.store.tables import answers


def begin(tx: Tx, customer: str, key: str, request_hash: str) -> Sealed | None:
    """The answer that was given, or None: this transaction is the first, and is to `keep` one.

    Of two at once, the second waits here until the first has ended. Raises KeyReused.
    """
    insert = postgresql.insert if tx.connection.dialect.name == "postgresql" else sqlite.insert
    values = {"customer": customer, "key": key, "request_hash": request_hash, "created_at": tx.now}
    made = insert(answers).values(values).on_conflict_do_nothing().returning(answers.c.key)
    if tx.run(made).first():
        return None
    row = tx.run(select(answers).where(_is(customer, key))).one()
    if row.request_hash != request_hash:
        raise KeyReused(key=key)
    return Sealed(row.data_key, row.sealed)


def keep(tx: Tx, customer: str, key: str, answer: Sealed) -> None:
    """Keep the answer, sealed: it may hold a secret that is said once."""
    values = {"data_key": answer.data_key, "sealed": answer.sealed}
    tx.run(update(answers).where(_is(customer, key)).values(values))


def forget(tx: Tx, before: datetime) -> None:
    """Forget the answers of before then."""
    tx.run(delete(answers).where(answers.c.created_at < before))


def _is(customer: str, key: str) -> Any:
    return (answers.c.customer == customer) & (answers.c.key == key)
