"""A stream cut into parts of one size, and the threads that send them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from imageport.disk.ends.gcs.checksum import combine, extend
from imageport.disk.errors import CopyCancelledError

T = TypeVar("T")
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the stream at `offset`, in the buffers that it came in; sizes in bytes."""

    number: int
    offset: int
    size: int
    crc: int
    pieces: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """The byte after the last one."""
        return self.offset + self.size

    def after(self, offset: int) -> list[memoryview]:
        """The pieces without what lies before `offset` of the stream."""
        left, skip = [], max(0, offset - self.offset)
        for piece in self.pieces:
            if skip < len(piece):
                left.append(memoryview(piece)[skip:])
            skip = max(0, skip - len(piece))
        return left


class Parts:
    """Cuts a stream into parts of `size` bytes without copying more than their borders."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._number = self._offset = 0
        self._pieces: list[bytes] = []
        self._held = self._crc = 0
        self.total = self.crc = 0
        """Length and CRC of the stream so far."""

    def add(self, data: bytes) -> Iterable[Part]:
        """Append `data`; the parts that it completes, one at a time."""
        while self._held + len(data) >= self._size:
            room = self._size - self._held
            self._keep(data[:room])
            data = data[room:]
            yield self._cut()
        if data:
            self._keep(data)

    def rest(self) -> Part | None:
        """The last part, which may be shorter than the others; None when nothing is left."""
        return self._cut() if self._held else None

    def _keep(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        self._crc = extend(self._crc, data)

    def _cut(self) -> Part:
        part = Part(self._number, self._offset, self._held, self._crc, tuple(self._pieces))
        self.crc = combine(self.crc, part.crc, part.size)
        self.total = part.end
        self._number, self._offset = self._number + 1, part.end
        self._pieces, self._held, self._crc = [], 0, 0
        return part


class Senders(Generic[T]):
    """Threads that do one thing with each of many, of which at most `limit` wait or are done.

    After the first failure nothing is begun any more, and every call raises it.
    """

    def __init__(
        self, name: str, count: int, limit: int, cancel: threading.Event | None = None
    ) -> None:
        """`name` is what the error of a cancelled copy calls the target."""
        self._name, self._cancel = name, cancel or threading.Event()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="gcs")
        self._places = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._pending: set[Future[None]] = set()

    def send(self, work: Callable[[T], None], what: T) -> None:
        """Do `work(what)` on one of the threads, when one of `limit` places is free."""
        while not self._places.acquire(timeout=_POLL):
            if self._cancel.is_set():
                raise CopyCancelledError(file=self._name)
        self._raise()
        future = self._pool.submit(self._do, work, what)
        with self._lock:
            self._pending.add(future)
        future.add_done_callback(self._forget)

    def wait(self) -> None:
        """Wait for everything that was sent."""
        with self._lock:
            pending = list(self._pending)
        for future in pending:
            future.result()
        self._raise()

    def stop(self) -> None:
        """Begin nothing more and return when no thread works any more; safe to repeat."""
        with self._lock:
            self._failure = self._failure or CopyCancelledError(file=self._name)
        self._pool.shutdown(wait=True)

    def _do(self, work: Callable[[T], None], what: T) -> None:
        try:
            if self._failure is None:
                work(what)
        except BaseException as error:  # noqa: BLE001  # raised by the next call, in its thread
            with self._lock:
                self._failure = self._failure or error
        finally:
            self._places.release()

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._pending.discard(future)

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure
