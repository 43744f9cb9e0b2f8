"""The server of an export: its connections, made anew when they break, and its errors in ours."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import TypedDict

from imageport.disk.ends.errors import (
    ChangedError,
    DeniedError,
    NoSpaceError,
    RefusedError,
    UnsuitableError,
)
from imageport.disk.ends.nbd.address import NbdAddress, NbdTls
from imageport.disk.ends.nbd.connection import Connection, Request, ServerError
from imageport.disk.ends.nbd.handshake import ClosedAfterTlsError, Export, Security, negotiate
from imageport.disk.ends.nbd.protocol import ErrorNumber, Flag
from imageport.disk.ends.nbd.wire import Wire
from imageport.disk.ends.retry import PATIENCE, RetryBudget, TransientError
from imageport.disk.errors import DiskError

CONNECTIONS = 4
"""How many are made where the server allows several; more gain nothing."""
_TIMEOUT = 60.0
"""Seconds without a byte after which a connection is given up."""
_GREETING_TIMEOUT = 15.0
"""The same while the connection is made."""
_EXTRA_TIMEOUT = 3.0
"""The same for a further connection until it is there: a server with too many lets it wait."""


_TLS_REJECTIONS = 3
"""Connections that are closed when TLS has begun, one after another, that are no accident."""


class NotFastError(RefusedError):
    """The server would write zeros no faster than data. Never leaves this package."""


class NbdOptions(TypedDict, total=False):
    """What an export may be opened with; see `NbdPeer`."""

    patience: float
    connections: int
    cancel: threading.Event | None
    on_wait: Callable[[str, float], None]


class _Slot:
    """A place for a connection, and the lock for making it."""

    def __init__(self, connection: Connection | None = None) -> None:
        self.connection = connection
        self.lock = threading.Lock()


class NbdPeer:
    """Carries out requests, from any thread, on as many connections as the server allows.

    One connection for all threads without `NBD_FLAG_CAN_MULTI_CONN` ("Transmission flags"): what
    one has written another might not see. Otherwise each thread keeps to one of several. A request
    is repeated on a new connection when its own breaks; all that are made here may be.
    """

    def __init__(  # noqa: PLR0913  # the last four are options, by keyword only
        self,
        address: NbdAddress,
        tls: NbdTls | None = None,
        *,
        patience: float = PATIENCE,
        connections: int = CONNECTIONS,
        cancel: threading.Event | None = None,
        on_wait: Callable[[str, float], None] = lambda detail, seconds: None,
    ) -> None:
        """Connect; `patience` in seconds. Raises `EndError`."""
        self.name = str(address)
        self.reconnected = 0
        """How many connections were made in place of broken ones."""
        self._address, self._rejections = address, 0
        self._security = self._secured(address, tls)
        # Shorter than the patience, or one connection that is lost in silence would end it.
        self._timeout = min(_TIMEOUT, patience / 2)
        self._greeting = min(_GREETING_TIMEOUT, patience / 4)
        self._budget = RetryBudget(self.name, patience=patience, cancel=cancel, on_wait=on_wait)
        first = self._budget.run(lambda: self._connect(self._greeting))
        self.export: Export = first.export
        count = connections if self.export.has(Flag.CAN_MULTI_CONN) else 1
        self._slots = [_Slot(first), *(_Slot() for _ in range(count - 1))]
        self._usable = list(self._slots)
        self._numbers = itertools.count()
        self._own = threading.local()
        self._lock = threading.Lock()

    def carry_out(self, request: Request) -> list[tuple[int, int]]:
        """Have the server do `request`; (length, flags) of the extents of a status.

        Raises `EndError`, `CopyCancelledError`.
        """
        return self._budget.run(lambda: self._attempt(request))

    def attempt_once(self, request: Request) -> bool:
        """Have the server do `request` unless anything at all prevents it."""
        try:
            self._attempt(request)
        except (TransientError, DiskError):
            return False
        return True

    def close(self) -> None:
        """End every connection; safe to repeat."""
        for slot in self._slots:
            with slot.lock:
                if slot.connection is not None:
                    slot.connection.close()

    def _attempt(self, request: Request) -> list[tuple[int, int]]:
        connection = self._connection()
        try:
            return connection.carry_out(request)
        except ServerError as error:
            if error.number is ErrorNumber.ESHUTDOWN:
                connection.close()
            raise self._mapped(request, error) from error

    def _connection(self) -> Connection:
        """The calling thread's connection."""
        number = getattr(self._own, "number", None)
        if number is None:
            number = self._own.number = next(self._numbers)
        usable = self._usable
        slot = usable[number % len(usable)]
        with slot.lock:
            if slot.connection is None:
                slot.connection = self._further()
            if slot.connection is not None:
                if slot.connection.lost is not None:
                    self._replace(slot, slot.connection)
                return slot.connection
        return self._connection()

    def _further(self) -> Connection | None:
        """Another connection, or None when the server has no room: what there is will do."""
        try:
            return self._connect(min(_EXTRA_TIMEOUT, self._greeting))
        except (TransientError, DiskError):
            self._usable = [slot for slot in self._slots if slot.connection is not None]
            return None

    def _replace(self, slot: _Slot, old: Connection) -> None:
        old.close()
        if isinstance(old.lost, DeniedError):
            raise old.lost
        slot.connection = self._connect(self._greeting)
        with self._lock:
            self.reconnected += 1

    def _connect(self, timeout: float) -> Connection:
        wire = Wire(self._address, timeout)
        try:
            export = negotiate(wire, self._address.export, self._security)
            self._rejections = 0
            self._require_same(export)
        except ClosedAfterTlsError as error:
            wire.close()
            wire.release()
            self._rejections += 1
            if self._rejections < _TLS_REJECTIONS:
                raise
            detail = "it closes the connection as soon as it has seen this client's certificate"
            raise DeniedError(file=self.name, detail=detail) from error
        except BaseException:
            wire.close()
            wire.release()
            raise
        wire.set_timeout(self._timeout)
        return Connection(wire, export)

    def _require_same(self, export: Export) -> None:
        known: Export | None = getattr(self, "export", None)
        if known is not None and (known.size, known.flags, known.minimum) != (
            export.size,
            export.flags,
            export.minimum,
        ):
            detail = f"after a reconnect it has {export.size} bytes and flags {export.flags:#x}"
            raise ChangedError(file=self.name, detail=detail)

    def _mapped(self, request: Request, error: ServerError) -> DiskError | TransientError:
        said = f"the server says {error.text}"
        match error.number:
            case ErrorNumber.EIO | ErrorNumber.ENOMEM | ErrorNumber.ESHUTDOWN:
                return TransientError(said)
            case ErrorNumber.EPERM:
                return DeniedError(file=self.name, detail=said)
            case ErrorNumber.ENOSPC:
                return NoSpaceError(file=self.name, detail=said)
            case ErrorNumber.ENOTSUP:
                return NotFastError(file=self.name, offset=request.offset, detail=said)
        return RefusedError(file=self.name, offset=request.offset, detail=said)

    def _secured(self, address: NbdAddress, tls: NbdTls | None) -> Security | None:
        if not address.secure:
            if tls is not None:
                raise UnsuitableError(file=self.name, detail="nbd:// is plain, TLS is nbds://")
            return None
        tls = tls or NbdTls()
        try:
            context = tls.context()
        except OSError as error:
            detail = f"its TLS files cannot be used ({error.strerror or type(error).__name__})"
            raise UnsuitableError(file=self.name, detail=detail) from error
        return Security(context, tls.hostname or address.host or "localhost")
