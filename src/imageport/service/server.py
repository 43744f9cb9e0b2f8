"""Serves the application on a socket of its own, with TLS or on loopback alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import uvicorn
from fastapi import FastAPI

from imageport.model.errors import ImageportError
from imageport.service.api.app import state_of
from imageport.service.loopback import is_loopback

GRACE_SECONDS = 10
"""What requests under way may still take after a polite kill."""


class ClearText(ImageportError):
    """The service was asked to speak without TLS to more than this computer."""

    code: ClassVar[str] = "serve.clear-text"
    sentence: ClassVar[str] = "Without TLS the service listens on loopback alone, not on {host}."
    remedy: ClassVar[str] = "Give --tls-certificate and --tls-key, or leave --host out."


class CannotListen(ImageportError):
    """The address cannot be listened on, or the certificate cannot be used."""

    code: ClassVar[str] = "serve.listen"
    sentence: ClassVar[str] = "The service cannot listen on {host} port {port}: {detail}."
    remedy: ClassVar[str] = "Choose another --host or --port; check certificate and key."


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 is any that is free."""

    host: str = "127.0.0.1"
    port: int = 8480
    certificate: Path | None = None
    key: Path | None = None

    def check(self) -> None:
        """Raises ClearText."""
        if self.certificate is None and not is_loopback(self.host):
            raise ClearText(host=self.host)


class Server:
    """One replica, listening."""

    def __init__(self, app: FastAPI, address: Address, private: Path | None = None) -> None:
        """`private`: a Unix socket to listen on beside, for this user's own processes.

        Raises ClearText, CannotListen.
        """
        address.check()
        self._app = app
        self._private = private
        try:
            self._server = _Uvicorn(_config(app, address))
            self._server.config.load()
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            self._socket = socket.create_server((address.host, address.port), family=family)
        except OSError as error:
            detail = error.strerror or str(error)
            raise CannotListen(host=address.host, port=address.port, detail=detail) from error
        scheme = "https" if address.certificate else "http"
        host = f"[{address.host}]" if ":" in address.host else address.host
        self.url = f"{scheme}://{host}:{self._socket.getsockname()[1]}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()

    def run(self) -> None:
        """Until `stop`, or a polite kill when this is the main thread."""
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    def wait_ready(self, seconds: float) -> bool:
        """Whether it answers within that time."""
        return self._ready.wait(seconds)

    def stop(self) -> None:
        """From any thread: no new requests; those that wait are answered."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                self._loop.add_signal_handler(number, self._stop)
        if self._private is None:
            await self._listen()
            return
        with _private_socket(self._private) as own:
            # The application is begun and ended by the other one.
            beside = _Uvicorn(uvicorn.Config(self._app, lifespan="off", **_QUIET))
            task = asyncio.create_task(beside.serve([own]))
            try:
                await self._listen()
            finally:
                beside.should_exit = True
                await task

    async def _listen(self) -> None:
        task = asyncio.create_task(self._server.serve([self._socket]))
        while not (self._server.started or task.done()):
            await asyncio.sleep(0.01)
        self._ready.set()
        await task

    def _stop(self) -> None:
        state_of(self._app).bell.close()
        self._server.should_exit = True


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are `Server`'s, which first lets those go that wait."""
        yield


_QUIET: dict[str, Any] = {
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": GRACE_SECONDS,
}


def _config(app: FastAPI, address: Address) -> uvicorn.Config:
    return uvicorn.Config(app, ssl_certfile=address.certificate, ssl_keyfile=address.key, **_QUIET)


@contextlib.contextmanager
def _private_socket(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as own:
        before = os.umask(0o177)
        try:
            own.bind(str(path))
        finally:
            os.umask(before)
        own.listen()
        yield own
    path.unlink(missing_ok=True)
