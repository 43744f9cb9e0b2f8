"""The tables; docs/service.md says what each is for. Ids are GUIDs, or names that users pick."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class Utc(TypeDecorator[datetime]):
    """A moment; always in UTC, also out of SQLite, which keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Into the database."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Out of it."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


NAME = String(128)
GUID = String(36)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _customer(*, key: bool = False) -> Column[str]:
    return Column("customer", NAME, ForeignKey("customers.id"), primary_key=key, nullable=False)


customers = Table(
    "customers",
    METADATA,
    Column("id", NAME, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("created_at", Utc, nullable=False),
)

clients = Table(
    "clients",
    METADATA,
    Column("id", GUID, primary_key=True),
    _customer(),
    Column("name", NAME, nullable=False),
    Column("role", String(16), nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("created_at", Utc, nullable=False),
    Index(None, "customer"),
)

data_keys = Table(
    "data_keys",
    METADATA,
    _customer(key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("master", String(64), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
)

token_keys = Table(
    "token_keys",
    METADATA,
    Column("id", GUID, primary_key=True),
    Column("master", String(64), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
)

credentials = Table(
    "credentials",
    METADATA,
    _customer(key=True),
    Column("id", NAME, primary_key=True),
    Column("type", String(32), nullable=False),
    Column("data_key", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    ForeignKeyConstraint(["customer", "data_key"], ["data_keys.customer", "data_keys.number"]),
)

locations = Table(
    "locations",
    METADATA,
    Column("id", GUID, primary_key=True),
    _customer(),
    Column("name", NAME, nullable=False),
    Column("created_at", Utc, nullable=False),
    # How many jobs may be under way at once: in all, and by platform; null is without limit.
    Column("most_jobs", Integer),
    Column("most_by_platform", JSON(none_as_null=True)),
    Index(None, "customer", "name", unique=True),
)

connectors = Table(
    "connectors",
    METADATA,
    Column("id", GUID, primary_key=True),
    _customer(),
    Column("location", GUID, ForeignKey("locations.id"), nullable=False),
    Column("name", NAME, nullable=False),
    Column("code_hash", String(64)),
    Column("code_until", Utc),
    Column("signing_key", Text),
    Column("sealing_key", Text),
    Column("version", String(32)),
    Column("health", JSON(none_as_null=True)),
    Column("created_at", Utc, nullable=False),
    Column("seen_at", Utc),
    Index(None, "customer"),
    Index(None, "location"),
)

jobs = Table(
    "jobs",
    METADATA,
    Column("id", GUID, primary_key=True),
    _customer(),
    Column("location", GUID, ForeignKey("locations.id"), nullable=False),
    Column("type", String(32), nullable=False),
    Column("platform", String(16), nullable=False, server_default="Local"),
    Column("dry_run", Boolean, nullable=False),
    Column("request", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("created_by", NAME, nullable=False),
    Column("started_at", Utc),
    Column("ended_at", Utc),
    Column("forget_at", Utc),
    Column("cancel", Boolean, nullable=False, default=False),
    Column("fence", Integer, nullable=False, default=0),
    # From when on it can be claimed: its creation, the end of its lease, or never (ended).
    Column("claimable_at", Utc),
    Column("connector", GUID, ForeignKey("connectors.id", ondelete="SET NULL")),
    Column("step", String(64)),
    Column("title", String(256)),
    Column("done", Float, nullable=False, default=0.0),
    Column("total", Float, nullable=False, default=0.0),
    Column("unit", String(64), nullable=False, default=""),
    Column("percent", Float, nullable=False, default=0.0),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    # W3C Trace Context of the request that started it; null without traces.
    Column("trace", String(55)),
    Index(None, "customer", "created_at", "id"),
    Index(None, "location", "claimable_at"),
    Index(None, "forget_at"),
)

leases = Table(
    "leases",
    METADATA,
    Column("job", GUID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("fence", Integer, primary_key=True, autoincrement=False),
    Column("connector", GUID, nullable=False),
    Column("since", Utc, nullable=False),
    Column("until", Utc, nullable=False),
)

log_lines = Table(
    "log_lines",
    METADATA,
    Column("job", GUID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("fence", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("level", String(8), nullable=False),
    Column("text", Text, nullable=False),
)

answers = Table(
    "answers",
    METADATA,
    _customer(key=True),
    Column("key", NAME, primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("data_key", Integer),
    Column("sealed", LargeBinary),
    Column("created_at", Utc, nullable=False),
    Index(None, "created_at"),
)

audit = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True),
    _customer(),
    Column("at", Utc, nullable=False),
    Column("who", NAME, nullable=False),
    Column("action", String(64), nullable=False),
    Column("what", NAME, nullable=False),
    Index(None, "customer", "number"),
)
