"""HTTP/1.1 on one connection: a request from the caller's buffer, and the answer to it (RFC 9112).

`http.client` parses the head of an answer as an e-mail, which takes as long as encrypting a quarter
of a MiB; here it is a line each.
"""

from __future__ import annotations

import socket
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from string import hexdigits
from typing import Self

_LONGEST_HEAD = 64 * 1024
_RECORD = 16 * 1024
"""Bytes of the largest TLS record (RFC 8446, 5.1): no more comes at once."""
_PIECE = 1024 * 1024


class Connection:
    """A connection to a peer that answers one request after the other."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer, self._rest = peer, b""

    def close(self) -> None:
        """Close it; safe to repeat."""
        self._peer.close()

    def send(self, head: str, body: memoryview | None) -> None:
        """Send a request's head, whose lines end in CR LF, and its body. Raises `OSError`."""
        self._peer.sendall(head.encode("latin-1") + b"\r\n")
        if body is not None:
            # On its own: joined to the head, it would have to be copied.
            self._peer.sendall(body)

    def lines(self, end: bytes) -> str:
        """What comes before `end`. Raises `OSError` and `HTTPException`."""
        got = self._rest
        while (at := got.find(end)) < 0:
            if len(got) > _LONGEST_HEAD:
                raise HTTPException("the head of the answer does not end")
            data = self._peer.recv(_RECORD)
            if not data and not got:
                raise RemoteDisconnected("the peer closed the connection without an answer")
            if not data:
                raise HTTPException("the answer broke off in its head")
            got += data
        self._rest = got[at + len(end) :]
        return got[:at].decode("latin-1")

    def read_into(self, view: memoryview) -> int:
        """Fill a part of `view`; how much, 0 at the end of the connection."""
        if not self._rest:
            return self._peer.recv_into(view)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class Head:
    """The status and headers of an answer, these by their names in lower case."""

    def __init__(self, version: str, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers
        self.keeps = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
        """Whether another request may follow on this connection."""

    @classmethod
    def read(cls, connection: Connection) -> Self:
        """The final answer's head. Raises `OSError` and `HTTPException`."""
        while True:
            head = cls._parsed(connection.lines(b"\r\n\r\n"))
            if head.status >= 200:
                return head

    @classmethod
    def _parsed(cls, text: str) -> Self:
        unfolded = text.replace("\r\n ", " ").replace("\r\n\t", " ")
        first, *lines = unfolded.split("\r\n")
        version, _, rest = first.partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or not _is_number(rest[:3]):
            raise HTTPException("the answer does not begin as HTTP")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            if not colon or (name == "content-length" and headers.get(name, value) != value):
                raise HTTPException("the head of the answer is no sound HTTP")
            headers[name] = value
        return cls(version, int(rest[:3]), headers)


class Body:
    """The body of an answer; `whole` when all of it was read."""

    def __init__(self, connection: Connection, head: Head, method: str) -> None:
        """Find out how long it is (RFC 9112, 6.3). Raises `OSError` and `HTTPException`."""
        self._connection = connection
        self._chunked = False
        self._left: int | None = None
        """Bytes of the body or of its chunk that are to come; None: up to the connection's end."""
        self.whole = False
        coding, length = head.headers.get("transfer-encoding"), head.headers.get("content-length")
        if method == "HEAD" or head.status in (204, 304):
            self._left = 0
        elif coding is not None:
            if coding.lower() != "chunked":
                raise HTTPException("the answer comes in an unknown coding")
            self._chunked = True
            self._next_chunk()
        elif length is not None:
            if not _is_number(length):
                raise HTTPException("the answer's length is no number")
            self._left = int(length)
        self.whole |= self._left == 0

    def read_into(self, view: memoryview) -> int:
        """Fill `view`; how much came, less when the body ends before."""
        done = 0
        while done < len(view) and not self.whole:
            limit = len(view) if self._left is None else min(len(view), done + self._left)
            got = self._connection.read_into(view[done:limit])
            if not got:
                self.whole = self._left is None
                break
            done += got
            self._took(got)
        return done

    def read(self) -> bytes:
        """All of it. Raises `IncompleteRead` when the connection ends before."""
        pieces: list[memoryview] = []
        while not self.whole:
            # As it comes: a length that a peer only says must not take memory.
            view = memoryview(bytearray(min(_PIECE, self._left or _PIECE)))
            got = self.read_into(view)
            pieces.append(view[:got])
            if not got and not self.whole:
                raise IncompleteRead(b"", self._left)
        return b"".join(pieces)

    def _took(self, count: int) -> None:
        if self._left is None:
            return
        self._left -= count
        if not self._left:
            if self._chunked:
                self._connection.lines(b"\r\n")
                self._next_chunk()
            else:
                self.whole = True

    def _next_chunk(self) -> None:
        size = self._connection.lines(b"\r\n").partition(";")[0].strip()
        if not size or not all(digit in hexdigits for digit in size):
            raise HTTPException("the size of a chunk is no number")
        self._left = int(size, 16)
        if self._left:
            return
        while self._connection.lines(b"\r\n"):
            # Trailers.
            pass
        self.whole = True


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
