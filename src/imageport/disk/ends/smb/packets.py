"""SMB2 messages that move data, and their encryption: [MS-SMB2] 2.2.1.2, 2.2.19 to 2.2.22, 2.2.41.

The library makes every other message. These it would copy some ten times each.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

READ, WRITE = 8, 9
PENDING = 0x103
"""STATUS_PENDING: the answer comes later."""
TAG = 16
"""Bytes of the authentication tag of AES-GCM."""
CREDIT = 64 * 1024
"""Bytes that one credit pays for."""

LENGTH = struct.Struct(">I")
"""What precedes each message on TCP: its length, the top byte zero."""
_HEADER = struct.Struct("<4sHHIHHIIQIIQ16s")
_TRANSFORM = struct.Struct("<4s16s12s4xIHHQ")
_AUTHENTICATED = 20
"""The transform header is authenticated from this byte on."""
_READ = struct.Struct("<HBBIQ16sIIIHHB")
_WRITE = struct.Struct("<HHIQ16sIIHHI")
_READ_ANSWER = struct.Struct("<HBxIII")
_WRITE_ANSWER = struct.Struct("<HHI")
HEADER_SIZE, TRANSFORM_SIZE = _HEADER.size, _TRANSFORM.size
WRITE_OFFSET = HEADER_SIZE + _WRITE.size
"""Where the data of a write begins in its message."""
PLAIN_MAGIC, SEALED_MAGIC = b"\xfeSMB", b"\xfdSMB"


class Address(NamedTuple):
    """What the header of every request about an open file says."""

    session: int
    tree: int
    file: bytes


class Ticket(NamedTuple):
    """What numbers a request and pays for it ([MS-SMB2] 3.2.4.1.2, 3.2.4.1.5)."""

    number: int
    cost: int
    wanted: int
    """Credits that are asked for."""


class Answer(NamedTuple):
    """What the header of an answer says."""

    status: int
    command: int
    credits: int
    message: int
    more: bool
    """Whether other answers follow in the same packet."""


def charge(length: int) -> int:
    """The credits that moving `length` bytes costs ([MS-SMB2] 3.1.5.2)."""
    return max(0, length - 1) // CREDIT + 1


def pack_read(out: memoryview, to: Address, ticket: Ticket, offset: int, length: int) -> int:
    """Put a READ request at the start of `out`; how long it is."""
    _pack_header(out, to, READ, ticket)
    _READ.pack_into(out, HEADER_SIZE, 49, 0x50, 0, length, offset, to.file, 0, 0, 0, 0, 0, 0)
    return HEADER_SIZE + _READ.size


def pack_write(out: memoryview, to: Address, ticket: Ticket, offset: int, data: memoryview) -> int:
    """Put a WRITE request with its data at the start of `out`; how long it is."""
    length = len(data)
    _pack_header(out, to, WRITE, ticket)
    fields = (49, WRITE_OFFSET, length, offset, to.file, 0, 0, 0, 0, 0)
    _WRITE.pack_into(out, HEADER_SIZE, *fields)
    out[WRITE_OFFSET : WRITE_OFFSET + length] = data
    return WRITE_OFFSET + length


def unpack_header(message: memoryview) -> Answer:
    """What an answer's header says. Raises `ValueError` for what is none."""
    if len(message) < HEADER_SIZE:
        raise ValueError("a message shorter than its header")
    fields = _HEADER.unpack_from(message)
    magic, _, _, status, command, granted, _, following, number = fields[:9]
    if magic != PLAIN_MAGIC:
        raise ValueError("no SMB2 message")
    return Answer(status, command, granted, number, bool(following))


def read_data(message: memoryview) -> memoryview:
    """The data in the answer to a READ. Raises `ValueError`."""
    if len(message) < HEADER_SIZE + _READ_ANSWER.size:
        raise ValueError("an answer shorter than its fields")
    _, offset, length, _, _ = _READ_ANSWER.unpack_from(message, HEADER_SIZE)
    if offset + length > len(message):
        raise ValueError("an answer shorter than its data")
    return message[offset : offset + length]


def written(message: memoryview) -> int:
    """How many bytes the answer to a WRITE says are written. Raises `ValueError`."""
    if len(message) < HEADER_SIZE + _WRITE_ANSWER.size:
        raise ValueError("an answer shorter than its fields")
    count: int = _WRITE_ANSWER.unpack_from(message, HEADER_SIZE)[2]
    return count


class Sealer:
    """Encrypts and decrypts the messages of one session with AES-GCM, into reused buffers."""

    def __init__(self, session: int, sending: bytes, receiving: bytes) -> None:
        """`sending` and `receiving` are the session's keys."""
        self._session = session
        self._sending, self._receiving = AESGCM(sending), AESGCM(receiving)
        self._sealed, self._opened = bytearray(), bytearray()

    def seal(self, message: memoryview) -> memoryview:
        """The packet of `message`, its length before it; valid until the next call."""
        length = len(message)
        start = LENGTH.size + TRANSFORM_SIZE
        if len(self._sealed) < start + length + TAG:
            self._sealed = bytearray(start + length + TAG)
        out = memoryview(self._sealed)
        nonce = os.urandom(12)
        LENGTH.pack_into(out, 0, TRANSFORM_SIZE + length)
        fields = (SEALED_MAGIC, bytes(TAG), nonce, length, 0, 1, self._session)
        _TRANSFORM.pack_into(out, LENGTH.size, *fields)
        authenticated = out[LENGTH.size + _AUTHENTICATED : start]
        self._sending.encrypt_into(nonce, message, authenticated, out[start : start + length + TAG])
        # SMB has the tag before the text, where everything else has it behind.
        out[LENGTH.size + 4 : LENGTH.size + 4 + TAG] = out[start + length : start + length + TAG]
        return out[: start + length]

    def open(self, packet: memoryview) -> memoryview:
        """The message in `packet`, which has `TAG` bytes of room at its end.

        Valid until the next call. Raises `ValueError`, `cryptography.exceptions.InvalidTag`.
        """
        length = len(packet) - TRANSFORM_SIZE - TAG
        if length < HEADER_SIZE:
            raise ValueError("an encrypted message shorter than its headers")
        magic, tag, nonce, size, _, flags, session = _TRANSFORM.unpack_from(packet)
        if (magic, size, flags, session) != (SEALED_MAGIC, length, 1, self._session):
            raise ValueError("not an encrypted message of this session")
        packet[-TAG:] = tag
        if len(self._opened) < length:
            self._opened = bytearray(length)
        out = memoryview(self._opened)[:length]
        authenticated = packet[_AUTHENTICATED:TRANSFORM_SIZE]
        self._receiving.decrypt_into(nonce, packet[TRANSFORM_SIZE:], authenticated, out)
        return out


def _pack_header(out: memoryview, to: Address, command: int, ticket: Ticket) -> None:
    number, cost, wanted = ticket
    fields = (PLAIN_MAGIC, 64, cost, 0, command, wanted, 0, 0, number, 0, to.tree, to.session)
    _HEADER.pack_into(out, 0, *fields, bytes(16))
