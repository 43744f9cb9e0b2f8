"""Fixed newstyle negotiation: from a fresh connection to the transmission phase."""

from __future__ import annotations

import ssl
import struct
from dataclasses import dataclass

from imageport.disk.ends.errors import DeniedError, EndError, NotFoundError, UnsuitableError
from imageport.disk.ends.nbd.protocol import (
    CONTEXT,
    DEFAULT_MAXIMUM,
    FIXED_NEWSTYLE,
    GREETING,
    INIT_MAGIC,
    LARGEST_MINIMUM,
    LONGEST_TEXT,
    NO_ZEROES,
    OPTION,
    OPTION_MAGIC,
    OPTION_REPLY,
    OPTION_REPLY_MAGIC,
    Flag,
    Info,
    Option,
    Rep,
)
from imageport.disk.ends.nbd.wire import Wire
from imageport.disk.ends.retry import TransientError

_FIRST_ERROR = 1 << 31
_MAX_REPLIES = 64
"""Replies to one option; a server sends four or five."""
_MAX_DATA = 2 * LONGEST_TEXT


@dataclass(frozen=True, slots=True)
class Export:
    """What a server says of its export; sizes in bytes."""

    size: int
    flags: Flag
    minimum: int = 1
    """Requests begin and end at multiples of it."""
    maximum: int = DEFAULT_MAXIMUM
    """Of one read or write."""
    structured: bool = False
    context: int | None = None
    """The number of `base:allocation` in this connection; None when it is not offered."""

    def has(self, flag: Flag) -> bool:
        """Whether the export allows what `flag` says."""
        return bool(self.flags & flag)


@dataclass(frozen=True, slots=True)
class Security:
    """TLS as the handshake needs it."""

    context: ssl.SSLContext
    hostname: str


class ClosedAfterTlsError(TransientError):
    """The server closed a connection whose TLS had just begun.

    In TLS 1.3 the client's certificate is judged after the client's part of the handshake, and
    servers built on GnuTLS do not say why they close.
    """


def negotiate(wire: Wire, export: str, security: Security | None) -> Export:
    """Enter the transmission phase for `export`; with `security` in TLS or not at all.

    Raises `TransientError`, `ClosedAfterTlsError` among them, `UnsuitableError`, `NotFoundError`,
    `DeniedError`.
    """
    haggle = _Haggle(wire)
    haggle.greet()
    if security is not None:
        # First of all, so that nothing else is said in the open.
        haggle.require_tls()
        wire.start_tls(security.context, security.hostname)
    name = struct.pack(">I", len(export.encode())) + export.encode()
    try:
        structured = haggle.offers(Option.STRUCTURED_REPLY)
    except TransientError as error:
        if security is None:
            raise
        raise ClosedAfterTlsError(error.detail) from error
    context = haggle.select_context(name) if structured else None
    return haggle.go(name, structured, context)


class _Haggle:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._zeroes = False
        """Whether the old way of entering ends with 124 zeros."""

    def greet(self) -> None:
        """Take the server's greeting and answer it."""
        magic, kind, flags = GREETING.unpack(self._wire.receive(GREETING.size))
        if magic != INIT_MAGIC:
            raise self._unsuitable("what answers there is no NBD server")
        if kind != OPTION_MAGIC or not flags & FIXED_NEWSTYLE:
            raise self._unsuitable("its NBD server knows no options (before nbd 2.9.17)")
        self._zeroes = not flags & NO_ZEROES
        self._wire.send(struct.pack(">I", FIXED_NEWSTYLE | flags & NO_ZEROES))

    def offers(self, option: Option) -> bool:
        """Ask for `option`; False when the server does without it."""
        reply, _, text = self._ask(option)
        if reply in (Rep.ERR_TLS_REQD, Rep.ERR_SHUTDOWN):
            raise self._refused(reply, text)
        return reply == Rep.ACK

    def require_tls(self) -> None:
        """Have the server change to TLS; what comes next is its handshake."""
        reply, _, text = self._ask(Option.STARTTLS)
        if reply == Rep.ERR_SHUTDOWN:
            raise self._refused(reply, text)
        if reply != Rep.ACK:
            raise self._unsuitable(f"its server does not speak TLS ({text or 'no reason given'})")

    def select_context(self, name: bytes) -> int | None:
        """The number that `base:allocation` gets; None when the server has no such thing."""
        query = struct.pack(">II", 1, len(CONTEXT)) + CONTEXT
        reply, answers, _ = self._ask(Option.SET_META_CONTEXT, name + query)
        for kind, data in answers if reply == Rep.ACK else ():
            if kind == Rep.META_CONTEXT and data[4:] == CONTEXT:
                return int.from_bytes(data[:4])
        return None

    def go(self, name: bytes, structured: bool, context: int | None) -> Export:
        """Enter the transmission phase."""
        reply, answers, text = self._ask(Option.GO, name + struct.pack(">HH", 1, Info.BLOCK_SIZE))
        if reply == Rep.ERR_UNSUP:
            return self._go_the_old_way(name[4:])
        if reply != Rep.ACK:
            raise self._refused(reply, text)
        found: tuple[int, Flag] | None = None
        minimum, maximum = 1, DEFAULT_MAXIMUM
        for kind, data in answers:
            info = int.from_bytes(data[:2]) if kind == Rep.INFO else None
            if info == Info.EXPORT and len(data) == 12:
                size, flags = struct.unpack(">QH", data[2:])
                found = size, Flag(flags)
            elif info == Info.BLOCK_SIZE and len(data) == 14:
                minimum, _, maximum = struct.unpack(">III", data[2:])
        if found is None:
            raise self._unsuitable("its NBD server does not say how large the export is")
        export = Export(*found, minimum, min(maximum, DEFAULT_MAXIMUM), structured, context)
        return self._sound(export)

    def _go_the_old_way(self, name: bytes) -> Export:
        self._wire.send(OPTION.pack(OPTION_MAGIC, Option.EXPORT_NAME, len(name)), name)
        try:
            size, flags = struct.unpack(">QH", self._wire.receive(10))
        except TransientError as error:
            # This option has no way to say why not.
            raise TransientError(f"{error.detail} when asked for the export") from error
        if self._zeroes:
            self._wire.receive(124)
        return self._sound(Export(size, Flag(flags)))

    def _sound(self, export: Export) -> Export:
        unit = export.minimum
        if not 0 < unit <= LARGEST_MINIMUM or unit & (unit - 1) or export.maximum < unit:
            detail = f"its block sizes make no sense ({unit} to {export.maximum} bytes)"
            raise self._unsuitable(detail)
        if export.size % unit:
            detail = f"its {export.size} bytes are no whole number of its blocks of {unit}"
            raise self._unsuitable(detail)
        return export

    def _ask(self, option: Option, data: bytes = b"") -> tuple[int, list[tuple[int, bytes]], str]:
        """(final reply, what came before it, the server's own words for an error)."""
        self._wire.send(OPTION.pack(OPTION_MAGIC, option, len(data)), data)
        answers: list[tuple[int, bytes]] = []
        while len(answers) < _MAX_REPLIES:
            head = self._wire.receive(OPTION_REPLY.size)
            magic, asked, reply, length = OPTION_REPLY.unpack(head)
            if magic != OPTION_REPLY_MAGIC or asked != option or length > _MAX_DATA:
                break
            said = self._wire.receive(length)
            if reply == Rep.ACK:
                return reply, answers, ""
            if reply >= _FIRST_ERROR:
                return reply, answers, said[:LONGEST_TEXT].decode(errors="replace")
            answers.append((reply, said))
        raise self._unsuitable("its answers are not those of an NBD server")

    def _refused(self, reply: int, text: str) -> EndError | TransientError:
        words = text or f"error {reply - _FIRST_ERROR}"
        match reply:
            case Rep.ERR_UNKNOWN:
                return NotFoundError(file=self._wire.name, detail=words)
            case Rep.ERR_POLICY:
                return DeniedError(file=self._wire.name, detail=words)
            case Rep.ERR_SHUTDOWN:
                return TransientError(f"the server is being shut down: {words}")
            case Rep.ERR_TLS_REQD:
                return self._unsuitable("its server insists on TLS: use nbds:// in the address")
        return self._unsuitable(f"its server says: {words}")

    def _unsuitable(self, detail: str) -> UnsuitableError:
        return UnsuitableError(file=self._wire.name, detail=detail)
