"""Requests and answers on a connection, as RFC 9112 has them, with peers that say anything."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead, InvalidURL

import pytest

from imageport.disk.ends.wire import Broken, Wire

END = b"\r\n\r\n"


class Peer:
    """Answers each request with the next script; None closes the connection instead."""

    def __init__(self, *scripts: bytes | None) -> None:
        self._scripts = list(scripts)
        self.connections = 0
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while self._scripts:
                connection, _ = self._listener.accept()
                self.connections += 1
                # A client may close while an answer is sent: it comes again.
                with connection, contextlib.suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        while self._scripts:
            request = b""
            while END not in request:
                if not (data := connection.recv(4096)):
                    return
                request += data
            head, _, body = request.partition(END)
            length = int(
                (head.lower() + b"\r\n").partition(b"content-length: ")[2].split(b"\r")[0] or 0
            )
            while len(body) < length:
                body += connection.recv(65536)
            self.requests.append(head + END + body)
            script = self._scripts.pop(0)
            if script is None:
                return
            # Byte by byte at first: where the peer cuts must not matter.
            for at in range(len(script[:200])):
                connection.sendall(script[at : at + 1])
            connection.sendall(script[200:])
            if b"close" in script:
                return

    def close(self) -> None:
        # Wakes the thread where it waits for a connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@contextlib.contextmanager
def wired(*scripts: bytes | None) -> Iterator[tuple[Peer, Wire]]:
    peer = Peer(*scripts)
    wire = Wire(peer.origin, None, 5.0)
    try:
        yield peer, wire
    finally:
        wire.close()
        peer.close()


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


BIG = bytes(range(256)) * 1000
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\n1F400\r\n" + BIG[:128000] + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"
)


def test_a_body_and_its_head_arrive_as_they_are() -> None:
    with wired(b"HTTP/1.1 201 Created\r\nX-Sum:  abc \r\nContent-Length: 0\r\n\r\n") as (
        peer,
        wire,
    ):
        answer = wire.request("PUT", "/a?b=c", {"X-One": "1"}, memoryview(BIG))
        assert (answer.status, answer.headers["x-sum"], answer.read()) == (201, "abc", b"")
    host = peer.origin.removeprefix("http://")
    head, _, body = peer.requests[0].partition(END)
    assert head.decode().split("\r\n") == [
        "PUT /a?b=c HTTP/1.1",
        f"Host: {host}",
        "Accept-Encoding: identity",
        "X-One: 1",
        f"Content-Length: {len(BIG)}",
    ]
    assert body == BIG


def test_a_connection_serves_again_once_its_answer_was_read() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\n"
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    with wired(early + ok(BIG), CHUNKED, CHUNKED, empty, ok(b"last")) as (peer, wire):
        assert wire.request("GET", "/", {}).read() == BIG
        assert wire.request("GET", "/", {}).read() == b"hello" + BIG[:128000]
        view = memoryview(bytearray(128005))
        assert wire.request("GET", "/", {}).read_into(view) == len(view)
        assert view == b"hello" + BIG[:128000]
        assert wire.request("GET", "/", {}).read() == b""
        assert wire.request("GET", "/", {}).read() == b"last"
    assert peer.connections == 1


def test_a_body_that_was_not_read_whole_ends_its_connection() -> None:
    with wired(ok(b"too long"), ok(b"next")) as (peer, wire):
        view = memoryview(bytearray(3))
        assert wire.request("GET", "/", {}).read_into(view) == 3
        assert wire.request("GET", "/", {}).read() == b"next"
    assert peer.connections == 2


def test_a_peer_that_closes_may() -> None:
    last = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nup to the end"
    old = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"
    with wired(last, old, ok(b"kept"), None, ok(b"after")) as (peer, wire):
        assert wire.request("GET", "/", {}).read() == b"up to the end"
        assert wire.request("GET", "/", {}).read() == b"old"
        assert wire.request("GET", "/", {}).read() == b"kept"
        # The one that was kept is closed instead of answered: the request is sent again.
        assert wire.request("GET", "/", {}).read() == b"after"
    assert peer.connections == 4


def test_a_body_that_breaks_off_is_told_apart() -> None:
    cut = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nshort"
    with wired(cut, cut) as (_, wire):
        with pytest.raises(IncompleteRead):
            wire.request("GET", "/", {}).read()
        assert wire.request("GET", "/", {}).read_into(memoryview(bytearray(9))) == 5


def test_a_folded_header_is_one() -> None:
    with wired(b"HTTP/1.1 200 OK\r\nX-Long: a\r\n  b\r\nContent-Length: 0\r\n\r\n") as (_, wire):
        answer = wire.request("GET", "/", {})
        assert (answer.headers["x-long"], answer.read()) == ("a  b", b"")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"SSH-2.0-close\r\n\r\n",
        b"HTTP/1.1 2x0 close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close",
        b"HTTP/1.1 200 OK\r\nno colon close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"close",
    ],
)
def test_what_is_no_answer_is_a_broken_connection(answer: bytes | None) -> None:
    with wired(answer) as (_, wire), pytest.raises(Broken):
        wire.request("GET", "/", {}).read()
    assert not wire.idle


def test_nothing_can_be_smuggled_into_a_request() -> None:
    with wired(ok(b"")) as (peer, wire):
        for target in ("/a b", "/a\r\nX: y", "/\u00e9"):
            with pytest.raises(InvalidURL):
                wire.request("GET", target, {})
        with pytest.raises(HTTPException):
            wire.request("GET", "/", {"X": "a\r\nY: b"})
    assert not peer.requests
