"""Who did what to what; written in the transaction that does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from imageport.service.store.database import Tx
from imageport.service.store.tables import audit


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed."""

    number: int
    at: datetime
    who: str
    action: str
    what: str


def write(tx: Tx, customer: str, who: str, action: str, what: str) -> None:
    """Note a deed, such as `credential.change` to the credential `admin`."""
    values = {"customer": customer, "at": tx.now, "who": who, "action": action, "what": what}
    tx.run(insert(audit).values(values))


def entries(tx: Tx, customer: str, after: int, limit: int) -> list[Entry]:
    """In order, from behind the number `after`."""
    query = select(audit).where(audit.c.customer == customer, audit.c.number > after)
    rows = tx.run(query.order_by(audit.c.number).limit(limit))
    return [Entry(row.number, row.at, row.who, row.action, row.what) for row in rows]
