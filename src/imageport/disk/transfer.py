"""Moving what a disk holds to a target, on several threads and in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from imageport.disk.base import KIB, MIB, ZEROS, DiskReader, DiskWriter
from imageport.disk.errors import CopyCancelledError
from imageport.disk.sharing import Sharing
from imageport.disk.treehash import REQUEST, Progress, requests
from imageport.disk.workers import run_parallel

GRANULE = 64 * KIB
"""Zeros are left out in this unit: the cluster of qcow2, the grain of VMDK."""
_ZERO_GRANULE = ZEROS[:GRANULE]
_SHARED_AT_ONCE = 64 * MIB
"""One call for many blocks: each call is a transaction of the file system."""


class Transfer:
    """What the threads of a copy share. A subclass may look at what passes by (`move_data`)."""

    def __init__(
        self,
        source: DiskReader,
        target: DiskWriter,
        progress: Progress | None,
        cancel: threading.Event,
    ) -> None:
        self.source, self.target = source, target
        self.write_zeros = target.ordered or not target.zeroed
        self._sharing = Sharing(source, target)
        self._progress, self._cancel = progress, cancel
        self._total = sum(length for _, length in requests(source)) if progress else 0
        self._done = 0
        self._lock = threading.Lock()

    def run(self, workers: int) -> None:
        """Copy, and finish or abort the target."""
        try:
            self.move(workers)
            self.target.finish()
        except BaseException:
            self.target.abort()
            raise

    def move(self, workers: int) -> None:
        """Copy everything, and leave the target open."""
        # In a stream, threads that wait for a failed range's turn would wait for ever.
        on_error = self.target.abort if self.target.ordered else lambda: None
        run_parallel(self._tasks(), self._start_worker, workers, on_error=on_error)

    def check_cancelled(self) -> None:
        """Raise `CopyCancelledError` when the caller wants the end."""
        if self._cancel.is_set():
            raise CopyCancelledError(file=self.target.name)

    def move_data(self, buffer: bytearray, offset: int, length: int) -> None:
        """Copy a range that holds data; `buffer` is the thread's own."""
        if self._sharing.share(offset, offset + length):
            return
        for at in range(offset, offset + length, REQUEST):
            part = min(REQUEST, offset + length - at)
            if part < length:
                self.check_cancelled()
                if self._sharing.share(at, at + part):
                    continue
            self.source.read_into(at, memoryview(buffer)[:part])
            self.put(buffer, at, 0, part)

    def put(self, buffer: bytearray, offset: int, start: int, end: int) -> None:
        """Write [start, end) of `buffer`, which begins at byte `offset` of the disk."""
        for begin, stop, is_zero in _spans(buffer, start, end):
            if not is_zero:
                self.target.write(offset + begin, memoryview(buffer)[begin:stop])
            elif self.write_zeros:
                self.target.zero(offset + begin, stop - begin)

    def gap(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(offset, length) of what may not be zeros in the target, where the source has no data."""
        if start < end and self.write_zeros:
            yield start, end - start

    def ranges(self) -> Iterator[tuple[int, int]]:
        """(offset, length) of what holds data: long ranges as long as blocks may be shared."""
        start = end = 0
        for offset, length in requests(self.source):
            longest = _SHARED_AT_ONCE if self._sharing.possible else 0
            if start < end and (offset != end or end + length - start > longest):
                yield start, end - start
                start = offset
            elif start == end:
                start = offset
            end = offset + length
        if start < end:
            yield start, end - start

    def _tasks(self) -> Iterator[tuple[int, int, bool]]:
        """(offset, length, whether it holds data) of what is to be done, in order."""
        at = 0
        for offset, length in self.ranges():
            yield from ((*gap, False) for gap in self.gap(at, offset))
            yield offset, length, True
            at = offset + length
        yield from ((*gap, False) for gap in self.gap(at, self.target.size))

    def _start_worker(self) -> Callable[[tuple[int, int, bool]], None]:
        buffer = bytearray(REQUEST)

        def work(task: tuple[int, int, bool]) -> None:
            offset, length, holds_data = task
            self.check_cancelled()
            if holds_data:
                self.move_data(buffer, offset, length)
                self._report(length)
            else:
                self.target.zero(offset, length)

        return work

    def _report(self, length: int) -> None:
        if self._progress is not None:
            with self._lock:
                self._done += length
                self._progress(self._done, self._total)


def _spans(buffer: bytearray, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it is zeros) of a part of the buffer, in whole granules."""
    before = _is_zero(buffer, start, end)
    for at in range(start + GRANULE, end, GRANULE):
        now = _is_zero(buffer, at, end)
        if now is not before:
            yield start, at, before
            start, before = at, now
    yield start, end, before


def _is_zero(buffer: bytearray, at: int, end: int) -> bool:
    end = min(at + GRANULE, end)
    return buffer.startswith(_ZERO_GRANULE[: end - at], at, end)
