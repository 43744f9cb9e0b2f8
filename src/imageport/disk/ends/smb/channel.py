"""One TCP connection to an SMB server, used by one thread at a time.

The library's connection has a thread that receives. Here the thread that asks receives, too: no
answer changes hands between threads, and reads and writes go past the library's copies.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from smbprotocol import Dialects
from smbprotocol.connection import Ciphers, Connection
from smbprotocol.exceptions import SMBConnectionClosed

from imageport.disk.ends.smb import packets
from imageport.disk.ends.smb.packets import TAG, Address, Answer, Sealer, Ticket

_CIPHERS = [Ciphers.AES_128_GCM, Ciphers.AES_256_GCM, Ciphers.AES_128_CCM, Ciphers.AES_256_CCM]
_GCM = (Ciphers.AES_128_GCM, Ciphers.AES_256_GCM)
_LONGEST_PACKET = (1 << 24) - 1
_WANTED_CREDITS = 512
"""Credits to have in hand: enough for requests of 8 MiB one after another."""
_SIGNED = 0x8
_FAREWELL = 3.0


class StatusError(Exception):
    """The answer to a read or write has an NTSTATUS that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:#010x}")
        self.status = status


class _OneMessage:
    """Stands in for the library's transport while it takes in one message."""

    connected = True

    def __init__(self, message: bytes) -> None:
        self._messages = [message]

    def recv(self, timeout: float) -> bytes:
        return self._messages.pop() if self._messages else b""

    def close(self) -> None:
        pass


class Channel(Connection):  # type: ignore[misc]  # the library has no types
    """A connection whose answers are received by whoever waits for them."""

    transport: Any

    def __init__(self, host: str, port: int, silence: float) -> None:
        """Connect and negotiate; a peer that is silent for `silence` seconds is given up.

        Raises `ValueError` when nobody listens (as the library does), `OSError`, `SMBException`.
        """
        super().__init__(uuid4(), host, port, require_signing=True)
        self._silence = silence
        self._sealer: Sealer | None = None
        self._secured = self._encrypted = self._prepared = False
        self._packet, self._message = bytearray(), bytearray()
        try:
            self.connect(timeout=silence, preferred_encryption_algos=_CIPHERS)
        except BaseException:
            self.hang_up()
            raise

    @property
    def fast(self) -> bool:
        """Whether `read_into` and `write_from` can be used: SMB 3.1.1 with AES-GCM."""
        return self._sealer is not None

    def secure(self, session: Any) -> None:
        """From now on accept nothing that is not encrypted, or signed, by `session`."""
        self._secured = True
        if session.encrypt_data and self.dialect >= Dialects.SMB_3_1_1 and self.cipher_id in _GCM:
            keys = session.encryption_key, session.decryption_key
            self._sealer = Sealer(session.session_id, *keys)
        self._encrypted = bool(session.encrypt_data)

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Let the peer be silent for `seconds` meanwhile."""
        sock = self._socket()
        sock.settimeout(max(seconds, self._silence))
        try:
            yield
        finally:
            sock.settimeout(self._silence)

    def hurry(self) -> None:
        """From now on wait a few seconds at most: what follows are only farewells."""
        self._silence = min(self._silence, _FAREWELL)
        self._socket().settimeout(self._silence)

    def read_into(self, to: Address, offset: int, view: memoryview) -> int:
        """Read into `view`; how many bytes came. Raises `StatusError`, `OSError`, `ValueError`."""
        ticket = self._begin(len(view))
        length = packets.pack_read(self._room(256), to, ticket, offset, len(view))
        data = packets.read_data(self._ask(length, ticket.number))
        if len(data) > len(view):
            raise ValueError("more data than was asked for")
        view[: len(data)] = data
        return len(data)

    def write_from(self, to: Address, offset: int, data: memoryview) -> int:
        """Write `data`; how many bytes were written. Raises as `read_into`."""
        ticket = self._begin(len(data))
        room = self._room(packets.WRITE_OFFSET + len(data))
        length = packets.pack_write(room, to, ticket, offset, data)
        return packets.written(self._ask(length, ticket.number))

    def hang_up(self) -> None:
        """Close the connection without a word; safe to repeat."""
        if self.transport is not None:
            self._t_worker = None
            self.disconnect(close=False)

    def receive(
        self, request: Any, wait: bool = True, timeout: Any = None, resolve_symlinks: bool = False
    ) -> Any:
        """See `Connection.receive`; symbolic links that the client should follow are refused."""
        while True:
            while request.response is None:
                self._take_in(self._next_message())
            if not (wait and request.response["status"].get_value() == packets.PENDING):
                break
            request.response = None
        # The thread ended at once. The library compares its number, which may be another's by now.
        self._t_worker = None
        return super().receive(request, wait=wait, timeout=timeout, resolve_symlinks=False)

    def _process_message_thread(self) -> None:
        """The library's receiving thread: it has nothing to do."""

    def _begin(self, length: int) -> Ticket:
        """The ticket of a new request that moves `length` bytes."""
        cost = packets.charge(length)
        window = self.sequence_window
        in_hand = window["high"] - window["low"]
        if cost > in_hand:
            raise ValueError(f"{cost} credits are needed and the server gives {in_hand}")
        number: int = window["low"]
        window["low"] += cost
        return Ticket(number, cost, cost + max(0, _WANTED_CREDITS - in_hand))

    def _room(self, length: int) -> memoryview:
        if len(self._message) < length:
            self._message = bytearray(length)
        return memoryview(self._message)

    def _ask(self, length: int, number: int) -> memoryview:
        """Send the first bytes of the message buffer; the answer, valid until the next call."""
        if self._sealer is None:
            raise ValueError("the connection has no keys yet")
        self._socket().sendall(self._sealer.seal(memoryview(self._message)[:length]))
        while True:
            message = self._next_message()
            answer = packets.unpack_header(message)
            if answer.message != number or answer.more:
                self._take_in(message)
                continue
            self.sequence_window["high"] += answer.credits
            if answer.status == packets.PENDING:
                continue
            if answer.status:
                raise StatusError(answer.status)
            return message

    def _next_message(self) -> memoryview:
        """Receive, decrypt: valid until the next call."""
        packet = self._receive_packet()
        sealed = packet[:4] == packets.SEALED_MAGIC
        if self._secured and self._encrypted and not sealed:
            raise ValueError("an answer that is not encrypted")
        if sealed and self._sealer is not None:
            return self._sealer.open(packet)
        message = packet[:-TAG]
        if self._secured and not sealed:
            self._require_signature(message)
        return message

    def _require_signature(self, message: memoryview) -> None:
        # The library verifies a signature that is there, and accepts it when none is.
        answer: Answer = packets.unpack_header(message)
        flags = struct.unpack_from("<I", message, 16)[0]
        if not flags & _SIGNED and answer.status != packets.PENDING:
            raise ValueError("an answer that is not signed")

    def _receive_packet(self) -> memoryview:
        """The next packet, with `TAG` bytes of room behind it."""
        start = bytearray(packets.LENGTH.size)
        self._fill(memoryview(start))
        length = packets.LENGTH.unpack(start)[0]
        if length > _LONGEST_PACKET:
            raise ValueError("a packet that is no SMB message")
        if len(self._packet) < length + TAG:
            self._packet = bytearray(length + TAG)
        packet = memoryview(self._packet)[: length + TAG]
        self._fill(packet[:length])
        return packet

    def _fill(self, view: memoryview) -> None:
        sock, done = self._socket(), 0
        while done < len(view):
            got = sock.recv_into(view[done:])
            if not got:
                raise SMBConnectionClosed("the server closed the connection")
            done += got

    def _take_in(self, message: memoryview) -> None:
        """Let the library process a message."""
        transport, self.transport = self.transport, _OneMessage(bytes(message))
        try:
            super()._process_message_thread()
        finally:
            self.transport = transport
        if self._t_exc is not None:
            raise self._t_exc

    def _socket(self) -> socket.socket:
        sock = self.transport._sock  # the library hands it out no other way
        if not isinstance(sock, socket.socket):
            raise SMBConnectionClosed("the connection is closed")
        if not self._prepared:
            sock.settimeout(self._silence)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Notices a peer that is gone, however long it may be silent.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._prepared = True
        return sock
