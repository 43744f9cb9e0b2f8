"""Requests for data, straight from the caller's buffer to the socket and back.

The clients of Microsoft and Amazon are built on urllib3, which copies bodies and costs several
times as much of the processor for each request.
"""

from __future__ import annotations

import base64
import ssl
import urllib.request
from collections import deque
from http.client import HTTPConnection, HTTPException, HTTPSConnection, InvalidURL
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imageport.disk.ends.http1 import Body, Connection, Head

CONNECT_TIMEOUT = 20.0
"""Seconds."""
Broken = (OSError, HTTPException)
"""What is raised when a connection breaks or the peer speaks no HTTP."""
_PORTS = {"http": 80, "https": 443}


class Answer:
    """An answer whose head has come; the connection is kept when all of it is read."""

    def __init__(self, wire: Wire, connection: Connection, method: str) -> None:
        """Read the head. Raises what is in `Broken`."""
        self._wire, self._connection = wire, connection
        self._head = Head.read(connection)
        self._body = Body(connection, self._head, method)
        self.status, self.headers = self._head.status, self._head.headers

    def read(self) -> bytes:
        """The whole body; for what is short."""
        try:
            return self._body.read()
        finally:
            self._end()

    def read_into(self, view: memoryview) -> int:
        """Fill `view`; how many bytes came, fewer when the body is shorter."""
        try:
            return self._body.read_into(view)
        finally:
            self._end()

    def _end(self) -> None:
        if self._body.whole and self._head.keeps:
            self._wire.idle.append(self._connection)
        else:
            self._connection.close()


class Wire:
    """Connections to one host, one for each request under way; through HTTPS_PROXY if set."""

    def __init__(
        self, origin: str, ca: Path | None, timeout: float, connect: float = CONNECT_TIMEOUT
    ) -> None:
        """`origin` is scheme, host and port; `timeout` is the longest silence in seconds.

        `connect` is how many seconds a connection may take.
        """
        parts = urlsplit(origin)
        self._host, self._port = parts.hostname or "", parts.port
        self.authority = f"[{self._host}]" if ":" in self._host else self._host
        """What the Host header says: without the scheme's own port."""
        if self._port not in (None, _PORTS.get(parts.scheme)):
            self.authority += f":{self._port}"
        self._timeout, self._patience = timeout, connect
        self._context = None
        if parts.scheme == "https":
            self._context = ssl.create_default_context(cafile=str(ca) if ca else None)
        self._proxy = None if self._context is None else _proxy(self._host)
        self.idle: deque[Connection] = deque()

    def request(
        self, method: str, target: str, headers: dict[str, str], body: memoryview | None = None
    ) -> Answer:
        """Send a request that may be repeated. Raises what is in `Broken`."""
        head = self._request_head(method, target, headers, body)
        try:
            connection = self.idle.pop()
        except IndexError:
            return self._ask(self._connect(), method, head, body)
        try:
            return self._ask(connection, method, head, body)
        except ConnectionError:
            # The peer has closed it while it was idle.
            return self._ask(self._connect(), method, head, body)

    def close(self) -> None:
        """Close idle connections; safe to repeat."""
        while self.idle:
            self.idle.pop().close()

    def _request_head(
        self, method: str, target: str, headers: dict[str, str], body: memoryview | None
    ) -> str:
        """Without the empty line at its end. Raises `InvalidURL` for what would break it."""
        fields = {"Host": self.authority, "Accept-Encoding": "identity", **headers}
        if body is not None:
            fields["Content-Length"] = str(len(body))
        if " " in target or not (target.isascii() and target.isprintable()):
            raise InvalidURL("the address has characters that it may not have")
        if not "".join(fields.values()).isprintable():
            raise InvalidURL("a header has characters that it may not have")
        lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
        return f"{method} {target} HTTP/1.1\r\n{lines}"

    def _ask(
        self, connection: Connection, method: str, head: str, body: memoryview | None
    ) -> Answer:
        try:
            connection.send(head, body)
            return Answer(self, connection, method)
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> Connection:
        connection: HTTPConnection
        if self._context is None:
            connection = HTTPConnection(self._host, self._port, timeout=self._patience)
        elif self._proxy is None:
            connection = HTTPSConnection(
                self._host, self._port, timeout=self._patience, context=self._context
            )
        else:
            host, port, permit = self._proxy
            connection = HTTPSConnection(host, port, timeout=self._patience, context=self._context)
            connection.set_tunnel(self._host, self._port or 443, permit)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        connection.sock.settimeout(self._timeout)
        return Connection(connection.sock)


def _proxy(host: str) -> tuple[str, int, dict[str, str]] | None:
    """Host, port and credentials of the proxy that the environment wants for `host`."""
    address = urllib.request.getproxies().get("https")
    if not address or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    permit = {}
    if parts.username is not None:
        said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        permit["Proxy-Authorization"] = f"Basic {base64.b64encode(said.encode()).decode()}"
    return parts.hostname or "", parts.port or 8080, permit
