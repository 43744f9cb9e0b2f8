"""Numbers and layouts of the NBD protocol; big-endian."""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag

from imageport.disk.base import MIB

PORT = 10809
INIT_MAGIC = 0x4E42444D41474943
"""`NBDMAGIC`, the first bytes of every server."""
OPTION_MAGIC = 0x49484156454F5054
"""`IHAVEOPT`: newstyle negotiation, and the head of each option."""
OPTION_REPLY_MAGIC = 0x0003E889045565A9
REQUEST_MAGIC = 0x25609513
SIMPLE_MAGIC = 0x67446698
STRUCTURED_MAGIC = 0x668E33EF

GREETING = struct.Struct(">QQH")
OPTION = struct.Struct(">QII")
"""Magic, option, length of its data."""
OPTION_REPLY = struct.Struct(">QIII")
"""Magic, option, reply type, length of its data."""
REQUEST = struct.Struct(">IHHQQI")
"""Magic, flags, type, cookie, offset, length."""
SIMPLE = struct.Struct(">IIQ")
"""Magic, error, cookie."""
STRUCTURED = struct.Struct(">IHHQI")
"""Magic, flags, type, cookie, length of the payload."""

DEFAULT_MAXIMUM = 32 * MIB
"""Bytes of a read or write that every server takes ("Size constraints")."""
LARGEST_MINIMUM = 64 * 1024
"""Bytes; a server's smallest block is no larger."""
LONGEST_TEXT = 4096
"""Bytes of a name or of a server's message."""
LARGEST_STATUS = 4 + 8 * MIB
"""Bytes of a block status chunk: 2^20 extents."""
CONTEXT = b"base:allocation"

FIXED_NEWSTYLE, NO_ZEROES = 1, 2
"""Handshake flags, the server's and the client's alike."""
REPLY_DONE = 1
ERROR_BIT = 1 << 15
"""Chunk types with it are errors."""
STATE_HOLE, STATE_ZERO = 1, 2


class Option(IntEnum):
    """What a client may ask for during the handshake."""

    EXPORT_NAME = 1
    ABORT = 2
    STARTTLS = 5
    GO = 7
    STRUCTURED_REPLY = 8
    SET_META_CONTEXT = 10


class Rep(IntEnum):
    """What a server answers to an option."""

    ACK = 1
    INFO = 3
    META_CONTEXT = 4
    ERR_UNSUP = 1 << 31 | 1
    ERR_POLICY = 1 << 31 | 2
    ERR_INVALID = 1 << 31 | 3
    ERR_PLATFORM = 1 << 31 | 4
    ERR_TLS_REQD = 1 << 31 | 5
    ERR_UNKNOWN = 1 << 31 | 6
    ERR_SHUTDOWN = 1 << 31 | 7


class Info(IntEnum):
    """Kinds of information about an export."""

    EXPORT = 0
    BLOCK_SIZE = 3


class Flag(IntFlag):
    """What an export allows: its transmission flags."""

    HAS_FLAGS = 1 << 0
    READ_ONLY = 1 << 1
    SEND_FLUSH = 1 << 2
    SEND_TRIM = 1 << 5
    SEND_WRITE_ZEROES = 1 << 6
    CAN_MULTI_CONN = 1 << 8
    SEND_FAST_ZERO = 1 << 11


class Command(IntEnum):
    """Request types."""

    READ = 0
    WRITE = 1
    DISC = 2
    FLUSH = 3
    TRIM = 4
    WRITE_ZEROES = 6
    BLOCK_STATUS = 7


class CommandFlag(IntFlag):
    """Flags of a request."""

    NONE = 0
    NO_HOLE = 1 << 1
    FAST_ZERO = 1 << 4


class Chunk(IntEnum):
    """Types of structured reply chunks."""

    NONE = 0
    OFFSET_DATA = 1
    OFFSET_HOLE = 2
    BLOCK_STATUS = 5


class ErrorNumber(IntEnum):
    """What a server may answer a request with ("Error values")."""

    EPERM = 1
    EIO = 5
    ENOMEM = 12
    EINVAL = 22
    ENOSPC = 28
    EOVERFLOW = 75
    ENOTSUP = 95
    ESHUTDOWN = 108

    @classmethod
    def of(cls, number: int) -> ErrorNumber:
        """The error `number`; one that the protocol does not know counts as EINVAL."""
        return cls(number) if number in {each.value for each in cls} else cls.EINVAL
