"""Proxies between an end and its real peer: they count what passes, and misbehave on demand."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "expect"}
_CHUNK = 64 * 1024


@dataclass
class Request:
    """A request that passed, with the bytes of its body and of the answer's."""

    method: str
    path: str
    sent: int
    received: int = 0
    status: int = 0


@dataclass
class Fault:
    """What happens to the next `times` requests that `when` picks, after `skip` of them."""

    when: Callable[[str, str], bool]
    times: int = 1
    skip: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_request: bool = False
    """Close the connection when half of the request's body has come; the peer sees nothing."""
    cut_response: bool = False
    """Close the connection in the middle of the answer's body; the peer has done the work."""
    delay: float = 0.0
    flip_request: bool = False
    flip_response: bool = False
    happened: int = 0

    def takes(self, method: str, path: str) -> bool:
        if self.happened - self.skip >= self.times or not self.when(method, path):
            return False
        self.happened += 1
        return self.happened > self.skip


class HttpFaults:
    """A reverse proxy on `address` for a plain HTTP peer. Faults are added while it runs."""

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        self.gone = False
        """Refuse every connection."""
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, **fault: object) -> Fault:
        """Add a fault; without `when` it takes any request."""
        made = Fault(**{"when": lambda method, path: True, **fault})  # type: ignore[arg-type]
        with self.lock:
            self.faults.append(made)
        return made

    def sent(self) -> int:
        """Bytes of the bodies that went to the peer."""
        with self.lock:
            return sum(request.sent for request in self.requests)

    def received(self) -> int:
        """Bytes of the bodies that came from the peer."""
        with self.lock:
            return sum(request.received for request in self.requests)

    def clear(self) -> None:
        """Forget requests and faults."""
        with self.lock:
            self.requests.clear()
            self.faults.clear()

    def intervene(
        self, method: str, path: str, headers: Message, body: bytes
    ) -> tuple[int, dict[str, str], bytes] | None:
        """What a stricter peer would answer; None lets the peer answer by itself."""
        return None

    def amend(
        self, method: str, path: str, status: int, headers: dict[str, str], data: bytes
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of the peer's answer as a stricter peer would give them."""
        return headers, data

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: HttpFaults
    protocol_version = "HTTP/1.1"
    timeout = 60

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle_one_request()

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._relay
        raise AttributeError(name)

    def _relay(self) -> None:
        owner = self.owner
        with owner.lock:
            fault = next(
                (each for each in owner.faults if each.takes(self.command, self.path)), None
            )
        if owner.gone:
            self._drop()
            return
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if fault is not None and fault.cut_request:
            self.rfile.read(int(self.headers.get("Content-Length", "0")) // 2)
            self._drop()
            return
        body = self._body()
        if len(body) < int(self.headers.get("Content-Length", "0")):
            # The client is gone: a server, too, does nothing with half a request.
            self._drop()
            return
        if fault is not None:
            time.sleep(fault.delay)
            if fault.status is not None:
                self._answer(fault.status, fault.headers, fault.body)
                return
            if fault.flip_request:
                body = _flipped(body)
        self._forward(body, fault)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        record = Request(self.command, self.path, len(body))
        with self.owner.lock:
            self.owner.requests.append(record)
        if (
            refused := self.owner.intervene(self.command, self.path, self.headers, body)
        ) is not None:
            record.status = refused[0]
            self._answer(*refused)
            return
        peer = http.client.HTTPConnection(*self.owner.upstream, timeout=60)
        try:
            peer.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    peer.putheader(name, value)
            if body or self.command in ("PUT", "POST"):
                peer.putheader("Content-Length", str(len(body)))
            peer.endheaders(body)
            answer = peer.getresponse()
            data = answer.read()
        except OSError:
            self._drop()
            return
        finally:
            peer.close()
        record.received, record.status = len(data), answer.status
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP}
        if self.command == "HEAD" and (length := answer.getheader("Content-Length")):
            headers["Content-Length"] = length
        headers, data = self.owner.amend(self.command, self.path, answer.status, headers, data)
        if fault is not None and fault.flip_response:
            # Last: on the way, after the peer has computed what it says of the data.
            data = _flipped(data)
        self._answer(answer.status, headers, data, cut=fault is not None and fault.cut_response)

    def _answer(
        self, status: int, headers: dict[str, str], data: bytes, *, cut: bool = False
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _flipped(data: bytes) -> bytes:
    if not data:
        return data
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


class TcpFaults:
    """A relay on `port` for any TCP peer: `cut` ends every connection, `stall` holds all bytes."""

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.sent = self.received = self.connections = 0
        self.gone = False
        """Close new connections at once."""
        self.cut_after_sent: int | None = None
        """Cut once when this many bytes in all went to the peer."""
        self.cut_after_received: int | None = None
        self.flip_sent_at: int | None = None
        """Change a bit, once, in the packet that brings the bytes sent to this many."""
        self.flip_received_at: int | None = None
        self.listen: Callable[[bytes], object] = lambda data: None
        """Hears what passes, in both directions."""
        self.flowing = threading.Event()
        self.flowing.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection now."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Let no byte pass for a while."""
        self.flowing.clear()
        try:
            yield
        finally:
            self.flowing.set()

    def close(self) -> None:
        # A thread that waits in accept is not woken by close alone.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.gone:
                near.close()
                continue
            try:
                far = socket.create_connection(self.upstream)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.append((near, far))
            threading.Thread(target=self._relay, args=(near, far), daemon=True).start()

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        upward = threading.Thread(target=self._pump, args=(near, far, True), daemon=True)
        upward.start()
        self._pump(far, near, False)
        upward.join()
        with self._lock, contextlib.suppress(ValueError):
            self._pairs.remove((near, far))
        near.close()
        far.close()

    def _pump(self, source: socket.socket, target: socket.socket, upward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self.flowing.wait()
                if self._passes_limit(len(data), upward):
                    self.cut()
                    return
                self.listen(data)
                target.sendall(_flipped(data) if self._is_to_flip(upward) else data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _passes_limit(self, length: int, upward: bool) -> bool:
        with self._lock:
            if upward:
                self.sent += length
                over = self.cut_after_sent is not None and self.sent > self.cut_after_sent
                self.cut_after_sent = None if over else self.cut_after_sent
            else:
                self.received += length
                limit = self.cut_after_received
                over = limit is not None and self.received > limit
                self.cut_after_received = None if over else limit
        return over

    def _is_to_flip(self, upward: bool) -> bool:
        with self._lock:
            if upward and self.flip_sent_at is not None and self.sent >= self.flip_sent_at:
                self.flip_sent_at = None
                return True
            limit = self.flip_received_at
            if not upward and limit is not None and self.received >= limit:
                self.flip_received_at = None
                return True
        return False


class TunnelProxy(TcpFaults):
    """A proxy of the web: what `CONNECT` asks for is there; remembers the heads of the requests."""

    def __init__(self, host: str, port: int) -> None:
        self.heads: list[str] = []
        super().__init__(host, port)

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += near.recv(1)
        self.heads.append(head.decode())
        near.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
        super()._relay(near, far)
