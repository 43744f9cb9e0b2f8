"""One connection in the transmission phase, which several threads may use at once.

Each sends its request and waits for the reply; one of those that wait receives for all, straight
into the buffer that the reply belongs to. In TLS a connection serves one thread at a time:
OpenSSL does not allow one to send while another receives.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
import threading
from dataclasses import dataclass

from imageport.disk.ends.errors import DeniedError
from imageport.disk.ends.nbd.handshake import Export
from imageport.disk.ends.nbd.protocol import (
    ERROR_BIT,
    LARGEST_STATUS,
    LONGEST_TEXT,
    REPLY_DONE,
    REQUEST,
    REQUEST_MAGIC,
    SIMPLE,
    SIMPLE_MAGIC,
    STRUCTURED,
    STRUCTURED_MAGIC,
    Chunk,
    Command,
    CommandFlag,
    ErrorNumber,
)
from imageport.disk.ends.nbd.wire import Wire
from imageport.disk.ends.retry import TransientError
from imageport.disk.file import zero_fill


class ServerError(Exception):
    """The server's answer to one request is an error. Never leaves `NbdPeer`."""

    def __init__(self, number: ErrorNumber, text: str) -> None:
        super().__init__(text or number.name)
        self.number, self.text = number, text or number.name


@dataclass(slots=True)
class Request:
    """What is asked of a server; `payload` is what it takes, `into` where its answer goes."""

    command: Command
    offset: int = 0
    length: int = 0
    flags: CommandFlag = CommandFlag.NONE
    payload: memoryview | bytes = b""
    into: memoryview | None = None


class _Pending:
    """A request that waits for its reply."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.filled = 0
        self.error: ServerError | None = None
        self.extents: list[tuple[int, int]] = []
        self.done = False


class Connection:
    """A negotiated connection. Once `lost`, every call raises `TransientError`."""

    def __init__(self, wire: Wire, export: Export) -> None:
        self.export = export
        self.lost: TransientError | DeniedError | None = None
        self._wire = wire
        self._cookies = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._sending, self._turn = threading.Lock(), threading.Condition()
        self._receiving = False
        self._exclusive: contextlib.AbstractContextManager[object] = (
            threading.Lock() if wire.secure else contextlib.nullcontext()
        )

    def carry_out(self, request: Request) -> list[tuple[int, int]]:
        """Send `request` and wait for its reply; (length, flags) of the extents of a status.

        Raises `ServerError`, `TransientError`, `DeniedError`.
        """
        with self._exclusive:
            return self._await(self._send(request))

    def close(self) -> None:
        """Take leave of the server, which still carries out what it has received."""
        if self.lost is None:
            with contextlib.suppress(TransientError, DeniedError), self._sending:
                self._wire.send(REQUEST.pack(REQUEST_MAGIC, 0, Command.DISC, 0, 0, 0))
        self._fail(TransientError("the connection is closed"))
        # Nobody may be within the socket when its descriptor is given back.
        with self._sending, self._turn:
            while self._receiving:
                self._turn.wait()
            self._wire.release()

    def _send(self, request: Request) -> _Pending:
        pending = _Pending(request)
        with self._sending:
            if self.lost is not None:
                raise self.lost
            cookie = next(self._cookies)
            self._pending[cookie] = pending
            head = REQUEST.pack(
                REQUEST_MAGIC,
                request.flags,
                request.command,
                cookie,
                request.offset,
                request.length,
            )
            try:
                self._wire.send(head, request.payload)
            except (TransientError, DeniedError) as error:
                self._fail(error)
                raise
        return pending

    def _await(self, pending: _Pending) -> list[tuple[int, int]]:
        with self._turn:
            # Another thread that receives may be filling `into`: whatever has failed, nobody
            # leaves before it has stopped.
            while self._receiving and not pending.done:
                self._turn.wait()
            if not pending.done:
                if self.lost is not None:
                    raise self.lost
                self._receiving = True
        if not pending.done:
            self._receive_for_all(pending)
        if pending.error is not None:
            raise pending.error
        return pending.extents

    def _receive_for_all(self, pending: _Pending) -> None:
        """Receive until `pending` is done; then another thread that waits goes on."""
        try:
            while not pending.done:
                self._receive()
        except (TransientError, DeniedError) as error:
            self._fail(error)
            raise
        except BaseException:
            self._fail(TransientError("a receive was interrupted"))
            raise
        finally:
            with self._turn:
                self._receiving = False
                self._turn.notify_all()

    def _fail(self, error: TransientError | DeniedError) -> None:
        if self.lost is None:
            self.lost = error
        self._wire.close()

    def _receive(self) -> None:
        """Receive a simple reply or one chunk, for whichever request it is."""
        head = self._wire.receive(SIMPLE.size)
        magic, error, cookie = SIMPLE.unpack(head)
        if magic == SIMPLE_MAGIC:
            self._finish_simple(cookie, error)
            return
        if magic != STRUCTURED_MAGIC or not self.export.structured:
            raise _nonsense("a reply with a wrong magic number")
        tail = self._wire.receive(STRUCTURED.size - SIMPLE.size)
        _, flags, kind, cookie, length = STRUCTURED.unpack(head + tail)
        pending = self._pending.get(cookie)
        if pending is None:
            raise _nonsense("a reply to nothing")
        self._take_chunk(pending, kind, length)
        if flags & REPLY_DONE:
            self._finish(cookie, pending)

    def _finish_simple(self, cookie: int, error: int) -> None:
        pending = self._pending.get(cookie)
        if pending is None:
            raise _nonsense("a reply to nothing")
        if error:
            pending.error = ServerError(ErrorNumber.of(error), "")
        elif pending.request.into is not None:
            if self.export.structured:
                raise _nonsense("a simple reply to a read")
            self._wire.fill(pending.request.into)
            pending.filled = pending.request.length
        self._finish(cookie, pending)

    def _finish(self, cookie: int, pending: _Pending) -> None:
        request = pending.request
        if pending.error is None and request.into is not None and pending.filled < request.length:
            raise _nonsense(f"{pending.filled} of {request.length} bytes as a whole read")
        is_status = request.command is Command.BLOCK_STATUS and pending.error is None
        if is_status and not all(length for length, _ in pending.extents or [(0, 0)]):
            raise _nonsense("a block status without extents, or an empty one")
        del self._pending[cookie]
        with self._turn:
            pending.done = True
            self._turn.notify_all()

    def _take_chunk(self, pending: _Pending, kind: int, length: int) -> None:
        if kind & ERROR_BIT:
            self._take_error(pending, length)
        elif kind == Chunk.OFFSET_DATA and length > 8:
            offset = int.from_bytes(self._wire.receive(8))
            self._wire.fill(_part(pending, offset, length - 8))
        elif kind == Chunk.OFFSET_HOLE and length == 12:
            offset, size = struct.unpack(">QI", self._wire.receive(12))
            zero_fill(_part(pending, offset, size))
        elif kind == Chunk.BLOCK_STATUS and 12 <= length <= LARGEST_STATUS and length % 8 == 4:
            data = self._wire.receive(length)
            if int.from_bytes(data[:4]) == self.export.context:
                pending.extents = list(struct.iter_unpack(">II", memoryview(data)[4:]))
        elif kind != Chunk.NONE or length:
            raise _nonsense(f"a chunk of type {kind} with {length} bytes")

    def _take_error(self, pending: _Pending, length: int) -> None:
        if not 6 <= length <= 6 + LONGEST_TEXT + 8:
            raise _nonsense(f"an error chunk of {length} bytes")
        data = self._wire.receive(length)
        number, size = struct.unpack_from(">IH", data)
        text = data[6 : 6 + size].decode(errors="replace")
        pending.error = pending.error or ServerError(ErrorNumber.of(number), text)


def _part(pending: _Pending, offset: int, length: int) -> memoryview:
    """Where `length` bytes from `offset` of the export go in the request's buffer."""
    request = pending.request
    start = offset - request.offset
    if request.into is None or start < 0 or start + length > request.length or not length:
        raise _nonsense("data that was not asked for")
    pending.filled += length
    return request.into[start : start + length]


def _nonsense(detail: str) -> TransientError:
    # Perhaps a proxy's or a cable's doing: another connection may be better.
    return TransientError(f"the server sent {detail}")
