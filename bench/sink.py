"""A TLS server that takes whatever is sent to it, hashes it and throws it away.

Several processes accept on one port, so that the sink is not what bounds a benchmark. Any request
with a body is answered 201 without looking at it; HEAD and GET get an empty answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

PROCESSES = 2
_BUFFER = 256 * 1024

Answer = Callable[[ssl.SSLSocket, bytes, memoryview], None]


@contextlib.contextmanager
def sink(
    certificate: Path,
    key: Path,
    headers: Mapping[str, str],
    *,
    not_created: tuple[bytes, ...] = (),
    bodies: Mapping[bytes, bytes] | None = None,
    processes: int = PROCESSES,
) -> Iterator[int]:
    """Run it until the end of the block, and give its port; `headers` are in every answer.

    Requests whose first line has one of `not_created` in it are answered 200 instead of 201; those
    with a key of `bodies` in it get its value as the body.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        children = [
            _fork(listener, context, partial(_answer, extra, not_created, bodies or {}))
            for _ in range(processes)
        ]
        try:
            yield listener.getsockname()[1]
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _fork(listener: socket.socket, context: ssl.SSLContext, answer: Answer) -> int:
    child = os.fork()
    if child:
        return child
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, context, answer), daemon=True).start()


def _serve(connection: socket.socket, context: ssl.SSLContext, answer: Answer) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = memoryview(bytearray(_BUFFER))
    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as peer:
        while head := _head(peer):
            answer(peer, head, buffer)


def _head(peer: ssl.SSLSocket) -> bytes:
    """The head of a request, and what came of its body with it."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = peer.recv(4096)
        if not data:
            return b""
        head += data
    return head


def _answer(
    extra: str,
    not_created: tuple[bytes, ...],
    bodies: Mapping[bytes, bytes],
    peer: ssl.SSLSocket,
    head: bytes,
    buffer: memoryview,
) -> None:
    start, _, begun = head.partition(b"\r\n\r\n")
    lines = start.split(b"\r\n")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in lines[1:])
    }
    left = int(fields.get(b"content-length", b"0")) - len(begun)
    total = hashlib.sha256(begun)
    while left > 0:
        got = peer.recv_into(buffer[: min(left, _BUFFER)])
        if not got:
            return
        total.update(buffer[:got])
        left -= got
    total.digest()
    writes = lines[0].startswith((b"PUT", b"POST"))
    created = writes and not any(mark in lines[0] for mark in not_created)
    status = "201 Created" if created else "200 OK"
    body = next((body for mark, body in bodies.items() if mark in lines[0]), b"")
    answer = f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    peer.sendall(answer.encode() + body)
