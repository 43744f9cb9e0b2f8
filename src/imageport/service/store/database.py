"""The database: SQLite or PostgreSQL, transactions that read or write, and its own clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from imageport.service.errors import StoreOutdated, StoreUnavailable

BUSY_SECONDS = 30
"""How long a writer waits for another one on SQLite, and for a connection of the pool."""


class Tx:
    """A transaction. `now` is the database's time, the same throughout."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.run = connection.execute

    @cached_property
    def now(self) -> datetime:
        """Replicas' clocks may differ; PostgreSQL's is the one that counts."""
        if self.connection.dialect.name == "sqlite":
            return datetime.now(UTC)
        moment: datetime = self.connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)


class Database:
    """Where the service keeps what it knows: `sqlite:///path` or `postgresql://...`."""

    def __init__(self, url: str) -> None:
        given = make_url(url)
        self.url = given.render_as_string(hide_password=True)
        if given.get_backend_name() == "sqlite":
            if given.database:
                Path(given.database).touch(mode=0o600)
            self._engine = create_engine(
                given,
                pool_size=20,
                pool_timeout=BUSY_SECONDS,
                connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            )
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            self._engine = create_engine(
                given.set(drivername="postgresql+psycopg"),
                pool_size=10,
                max_overflow=10,
                pool_timeout=BUSY_SECONDS,
                pool_pre_ping=True,
                # Also where the database itself names no encoding, as on a server without locales.
                connect_args={"connect_timeout": 10, "client_encoding": "utf8"},
            )

    @property
    def engine(self) -> Engine:
        """For migrations and tests."""
        return self._engine

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """A transaction that reads. Raises StoreUnavailable."""
        with _mapped(), self._engine.begin() as connection:
            yield Tx(connection)

    @contextmanager
    def writing(self) -> Iterator[Tx]:
        """A transaction that may write; on SQLite it is the only one. Raises StoreUnavailable."""
        with _mapped(), self._engine.connect() as connection:
            immediate = connection.execution_options(writes=True)
            with immediate.begin():
                yield Tx(immediate)

    def upgrade(self) -> None:
        """Bring the tables to this version. Safe when several replicas do it at once."""
        with self.writing() as tx:
            if tx.connection.dialect.name == "postgresql":
                tx.connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7213046)")
            config = _alembic()
            config.attributes["connection"] = tx.connection
            command.upgrade(config, "head")

    def check(self) -> None:
        """Raises StoreOutdated when the tables are not this version's, or StoreUnavailable."""
        needed = ScriptDirectory.from_config(_alembic()).get_current_head()
        with self.reading() as tx:
            found = MigrationContext.configure(tx.connection).get_current_revision()
        if found != needed:
            raise StoreOutdated(url=self.url, found=found, needed=needed)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def has_password(url: str) -> bool:
    """Whether the address has one, which everybody who lists processes would see."""
    return make_url(url).password is not None


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Transactions are begun by `_begin_sqlite`, not by Python's driver, which begins them too late.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise StoreUnavailable(detail=_first_line(error)) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable(detail=_first_line(error)) from error
        raise


def _first_line(error: Exception) -> str:
    """The driver's own words, without the statement and its values."""
    said = str(getattr(error, "orig", None) or error)
    return said.strip().splitlines()[0] if said.strip() else type(error).__name__
