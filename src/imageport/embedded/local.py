"""The connector that `imageport serve` brings: it reaches the service by a socket of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imageport import __version__
from imageport.connector.connector import Connector
from imageport.connector.errors import NotRegistered
from imageport.connector.identity import Identity, load
from imageport.connector.link import Link
from imageport.connector.settings import Settings
from imageport.host.home import subfolder
from imageport.service.store import places
from imageport.service.store.database import Database, Tx
from imageport.traces.base import Traces

_GIVING_BACK_SECONDS = 60.0

LOCATION = "local"
"""The name of its resource location, and its own."""


@dataclass(frozen=True, slots=True)
class Local:
    """Who it is, and the id of its resource location."""

    identity: Identity
    location: str


def registered(store: Database, customer: str) -> Local:
    """The connector of this computer, made at the first start."""
    path = subfolder("connector") / "local.json"
    with store.writing() as tx:
        known = _known(tx, customer, path)
        if known:
            return known
        place = _location(tx, customer)
        row, code = places.add_connector(tx, customer, place, LOCATION)
        identity = Identity.new("http://local", row.id)
        places.register(tx, row.id, code, identity.public_keys, __version__)
        # Before the transaction ends: an identity that nobody knows is replaced by the next start.
        path.unlink(missing_ok=True)
        identity.save(path)
    return Local(identity, place)


def _known(tx: Tx, customer: str, path: Path) -> Local | None:
    with suppress(NotRegistered):
        identity = load(path)
        row = places.find_connector(tx, identity.id)
        if row and row.customer == customer:
            return Local(identity, row.location)
    return None


def _location(tx: Tx, customer: str) -> str:
    for each in places.list_locations(tx, customer):
        if each.name == LOCATION:
            return each.id
    return places.add_location(tx, customer, LOCATION).id


class LocalConnector:
    """Runs it in a thread of its own."""

    def __init__(
        self, identity: Identity, socket: Path, settings: Settings, traces: Traces
    ) -> None:
        self._identity, self._socket, self._settings = identity, socket, settings
        self._traces = traces
        self._thread = threading.Thread(target=self._run, name="connector", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connector: Connector | None = None

    def start(self) -> None:
        """Begin to claim; the service has to answer already."""
        self._thread.start()

    def stop(self) -> None:
        """Give back what runs, and wait for that; the service has to answer still."""
        self.drain()
        # What it does not come to give back, its next start does: nobody waits for ever.
        self._thread.join(self._settings.drain + _GIVING_BACK_SECONDS)

    def drain(self) -> None:
        """Claim no more; said again, give back at once."""
        if self._loop and self._connector:
            self._loop.call_soon_threadsafe(self._connector.drain)

    def _run(self) -> None:
        asyncio.run(self._claim())

    async def _claim(self) -> None:
        async with Link(self._identity, socket=self._socket) as link:
            self._connector = Connector(link, self._identity, self._settings, self._traces)
            self._loop = asyncio.get_running_loop()
            await self._connector.run()
