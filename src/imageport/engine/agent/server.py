"""The agent's HTTPS server: mutual TLS, JSON, six calls.

    GET  /v1/status               version, boot id, commands
    PUT  /v1/commands/{id}        {"name": ..., "args": {...}}; the same id is the same command
    PUT  /v1/drivers              a tar of the driver library
    PUT  /v1/components           a tar of Citrix's installers
    GET  /v1/commands/{id}        state, progress, log, result or error
    GET  /v1/collection           the archive that the command `collect` made

Python's own server, not a framework: under emulation a framework's import costs more seconds than
everything else that the engine does before it answers.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import ssl
import threading
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from imageport import __version__
from imageport.engine.agent.boot_data import BootData
from imageport.engine.agent.drivers import receive
from imageport.engine.agent.folders import COLLECTION, COMPONENTS, DRIVERS
from imageport.engine.agent.runner import Runner
from imageport.engine.agent.store import CommandStore
from imageport.model.errors import ImageportError

PORT = 443

_BODY_LIMIT = 1 << 20
_FOLDERS = {"/v1/drivers": DRIVERS, "/v1/components": COMPONENTS}
_COMMAND_PATH = re.compile(r"/v1/commands/([A-Za-z0-9._-]{1,100})")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context; its second part is the trace's id."""
_SLOW_PEER_SECONDS = 30
_PIECE = 1 << 20


class AgentServer(ThreadingHTTPServer):
    """Serves one store of commands to the one client that holds the job's certificate."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, data: BootData, store: CommandStore, scratch: Path, port: int) -> None:
        super().__init__(("0.0.0.0", port), _Handler)  # noqa: S104  # the network is the platform's matter
        self.job = data.job
        self.store = store
        self.runner = Runner(store)
        self._tls = tls_context(data, scratch)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Handshake on the request's own thread: a peer that says nothing blocks nobody else."""
        request.settimeout(_SLOW_PEER_SECONDS)
        try:
            secured = self._tls.wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError):
            return
        with secured:
            _Handler(secured, client_address, self)


def tls_context(data: BootData, scratch: Path) -> ssl.SSLContext:
    """TLS 1.3 that admits only certificates of the job's own authority.

    `scratch` is a folder in memory: Python's ssl module reads keys from files alone.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    chain = scratch / "engine.pem"
    chain.touch(mode=0o600)
    chain.write_text(data.certificate + data.key)
    context.load_cert_chain(chain)
    chain.unlink()
    context.load_verify_locations(cadata=data.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AgentServer

    def do_GET(self) -> None:
        if self.path == "/v1/status":
            self._answer(HTTPStatus.OK, self._status())
            return
        if self.path == "/v1/collection" and COLLECTION.exists():
            self._send(COLLECTION)
            return
        match = _COMMAND_PATH.fullmatch(self.path)
        command = match and self.server.store.find(match[1])
        if command:
            self._answer(HTTPStatus.OK, asdict(command))
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"code": "engine.not-found"})

    def do_PUT(self) -> None:
        match = _COMMAND_PATH.fullmatch(self.path)
        length = int(self.headers.get("Content-Length", "0"))
        try:
            if self.path in _FOLDERS:
                body = io.BufferedReader(_Body(self.rfile, length))
                self._answer(HTTPStatus.OK, {"files": receive(body, _FOLDERS[self.path])})
                return
            if not match or length > _BODY_LIMIT:
                raise ValueError
            said = json.loads(self.rfile.read(length))
            command = self.server.runner.ask(
                match[1], said["name"], said.get("args", {}), self._trace_id()
            )
        except (ValueError, KeyError, TypeError):
            self._answer(HTTPStatus.BAD_REQUEST, {"code": "engine.bad-request"})
        except ImageportError as error:
            self._answer(HTTPStatus.CONFLICT, error.as_dict())
        else:
            self._answer(HTTPStatus.ACCEPTED, asdict(command))

    def _trace_id(self) -> str | None:
        match = _TRACEPARENT.fullmatch(self.headers.get("traceparent", ""))
        return match and match[1]

    def _status(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "job": self.server.job,
            "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "uptime": float(Path("/proc/uptime").read_text().split()[0]),
            "commands": [command.id for command in self.server.store.all()],
        }

    def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send(self, path: Path) -> None:
        with path.open("rb") as file:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/x-tar")
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile, _PIECE)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: polling would fill the serial console."""


class _Body(io.RawIOBase):
    """A request's body: ends where the request said, although the connection goes on."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: self._left]
        count: int = self._stream.readinto(view)
        self._left -= count
        return count


def serve(data: BootData, commands: Path, scratch: Path, port: int = PORT) -> None:
    """Serve until the machine goes down."""
    server = AgentServer(data, CommandStore(commands), scratch, port)
    threading.current_thread().name = "server"
    server.serve_forever()
