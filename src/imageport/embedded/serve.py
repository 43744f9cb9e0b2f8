"""`imageport serve`: a replica of the service, and a connector for this computer beside it."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType

from imageport.connector.settings import Settings as ConnectorSettings
from imageport.embedded.local import Local, LocalConnector, registered
from imageport.host.home import subfolder
from imageport.host.lock import exclusive
from imageport.service.api.app import create_app
from imageport.service.api.settings import Settings
from imageport.service.bootstrap import FirstAdministrator, first_administrator
from imageport.service.errors import PasswordInUrl
from imageport.service.server import Address, Server
from imageport.service.store.database import Database, has_password
from imageport.service.wallet.chosen import master_key
from imageport.traces.base import Traces

_STARTING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be served. `database` None is SQLite in the state folder; `connector` None is
    none: connectors elsewhere do the work. `master_key`: see `wallet.chosen`."""

    address: Address
    customer: str
    database: str | None
    master_key: tuple[str, ...]
    service: Settings
    connector: ConnectorSettings | None


@dataclass(frozen=True, slots=True)
class Started:
    """What a person is told. `first` is there at the very first start alone."""

    url: str
    first: FirstAdministrator | None
    local: Local | None


class Serving:
    """Everything that `imageport serve` runs."""

    def __init__(self, wanted: Wanted, traces: Traces) -> None:
        """Make what is missing. Raises ImageportError: also Busy, when another one runs here."""
        wanted.address.check()
        self._traces = traces
        if wanted.database and has_password(wanted.database):
            raise PasswordInUrl
        self._held = ExitStack()
        if wanted.connector:
            what = "the jobs of this state folder"
            self._held.enter_context(exclusive(subfolder("connector") / "lock", what=what))
        folder = subfolder("service")
        self._store = Database(wanted.database or f"sqlite:///{folder / 'service.db'}")
        self._store.upgrade()
        master = master_key(wanted.master_key, folder / "master.key")
        app = create_app(self._store, master, wanted.service, traces)
        socket = folder / "connector.sock" if wanted.connector else None
        self._server = Server(app, wanted.address, socket)
        first = first_administrator(self._store, wanted.customer)
        local, self._connector = None, None
        if wanted.connector and socket:
            local = registered(self._store, wanted.customer)
            self._connector = LocalConnector(local.identity, socket, wanted.connector, traces)
        self.started = Started(self._server.url, first, local)

    def run(self) -> None:
        """Until a polite kill: then jobs are given back, to be gone on with by the next start; at
        a second one, at once."""
        stop = threading.Event()

        def told(number: int, frame: FrameType | None) -> None:
            if stop.is_set() and self._connector:
                self._connector.drain()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, told)
        thread = threading.Thread(target=self._server.run, name="service")
        thread.start()
        try:
            self._server.wait_ready(_STARTING_SECONDS)
            self._with_connector(stop)
        finally:
            self._server.stop()
            thread.join()
            self._store.close()
            self._held.close()
            self._traces.close()

    def _with_connector(self, stop: threading.Event) -> None:
        if self._connector is None:
            stop.wait()
            return
        self._connector.start()
        try:
            stop.wait()
        finally:
            self._connector.stop()
