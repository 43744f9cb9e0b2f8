"""Copying a disk to any target: bounded memory, hashed on the way, resumable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from imageport.disk.base import (
    KIB,
    MIB,
    ZEROS,
    BlockWriter,
    DiskReader,
    DiskWriter,
    ResumableWriter,
)
from imageport.disk.errors import CopyCancelledError, TargetTooSmallError, UnsupportedError
from imageport.disk.journal import Journal
from imageport.disk.manifest import BLOCK, ZERO_LEAF, Leaves, Manifest
from imageport.disk.sharing import KernelCopy
from imageport.disk.treehash import REQUEST, Progress, hash_blocks, requests
from imageport.disk.workers import run_parallel, workers_for

GRANULE = 64 * KIB
"""Zeros are left out in this unit: the cluster of qcow2, the grain of VMDK."""
SYNC_EVERY = 256 * MIB
"""Bytes of data between two entries in the journal."""
_ZERO_GRANULE = ZEROS[:GRANULE]


def copy(  # noqa: PLR0913  # the last five are options, by keyword only
    source: DiskReader,
    target: DiskWriter,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    journal: Path | None = None,
    base: Manifest | None = None,
) -> Manifest:
    """Copy `source` to `target`, finish the target, and return the manifest of what was copied.

    `workers` threads move requests of 1 MiB; by default as many as suit the processors and the
    ends. `progress` is called with (done, total) bytes of the blocks that hold data, never by two
    threads at once. When `cancel` is set the copy ends with `CopyCancelledError`.

    Without `journal`, a copy that fails aborts the target: nothing is left behind. With it, the
    target must be a `ResumableWriter`: it is suspended, and the same call with a target made with
    `resume=True` goes on. Blocks that the journal calls finished are read back from the target and
    hashed before they are trusted. The journal is removed at the end.

    `base` says what the target holds before the copy, and zeros behind that: a disk that is written
    to in place, a snapshot made from another. Only blocks that differ are written. A copy that
    ended early has touched the target: then `base` is true only for the same call with its journal.

    A target that is larger than the source has zeros behind it; see `Manifest.padded` for its
    hash. Raises `DiskError`, and whatever `progress` raises.
    """
    if target.size < source.size:
        error = TargetTooSmallError(file=target.name, size=target.size, needed=source.size)
        target.abort()
        raise error
    if base is not None and target.ordered:
        target.abort()
        raise UnsupportedError(file=target.name, feature="writing only what changed to a stream")
    job = _Copy(source, target, progress, cancel or threading.Event(), base)
    count = workers or workers_for(source, target)
    if journal is None:
        return job.run(count)
    if not isinstance(target, ResumableWriter):
        target.abort()
        raise UnsupportedError(file=target.name, feature="resuming a copy to this kind of target")
    return _JournaledCopy(job, target, journal).run(count)


class _Copy:
    """What the threads of a copy share."""

    def __init__(
        self,
        source: DiskReader,
        target: DiskWriter,
        progress: Progress | None,
        cancel: threading.Event,
        base: Manifest | None,
    ) -> None:
        self.source, self.target, self.base = source, target, base
        self.leaves = Leaves(-(-source.size // BLOCK))
        self.write_zeros = target.ordered or not target.zeroed or base is not None
        self.finished = bytearray(-(-self.leaves.count // 8))
        """A bit for each block that a resumed target holds already."""
        self.on_written: Callable[[int, int], None] = lambda offset, length: None
        self._kernel = KernelCopy(source, target)
        self._blocks = target if isinstance(target, BlockWriter) else None
        self._progress, self._cancel = progress, cancel
        self._total = sum(length for _, length in requests(source)) if progress else 0
        self._done = 0
        self._lock = threading.Lock()

    def run(self, workers: int) -> Manifest:
        """Copy, and finish or abort the target."""
        try:
            self.move(workers)
            self.target.finish()
        except BaseException:
            self.target.abort()
            raise
        return self.manifest()

    def move(self, workers: int) -> None:
        """Copy everything that is not finished."""
        # In a stream, threads that wait for a failed range's turn would wait for ever.
        on_error = self.target.abort if self.target.ordered else lambda: None
        run_parallel(self._tasks(), self._start_worker, workers, on_error=on_error)

    def manifest(self) -> Manifest:
        """The manifest of what was copied."""
        return Manifest.of(self.source.size, self.leaves)

    def check_cancelled(self) -> None:
        """Raise `CopyCancelledError` when the caller wants the end."""
        if self._cancel.is_set():
            raise CopyCancelledError(file=self.target.name)

    def _tasks(self) -> Iterator[tuple[int, int, bool]]:
        """(offset, length, whether it holds data) of what is to be done, in order."""
        at = 0
        for offset, length in requests(self.source):
            yield from self._gap(at, offset)
            yield offset, length, True
            at = offset + length
        yield from self._gap(at, self.target.size)

    def _gap(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """The tasks of a range without data: what of it may not be zeros in the target."""
        # Zeros that travel block by block are shared among the workers.
        step = REQUEST if self._blocks is not None else self.target.size
        for first, last in self._not_zeros(start, end):
            for at in range(first // step * step, last, step):
                begin = max(first, at)
                yield begin, min(last, at + step) - begin, False

    def _not_zeros(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(start, end) of what may not be zeros in a range of the target."""
        if self.base is None:
            if start < end and self.write_zeros:
                yield start, end
            return
        # Behind its end the target has zeros, in its last block, too.
        end = min(end, self.base.size)
        if start >= end:
            return
        for first, count in self.base.leaves.runs(start // BLOCK, -(-end // BLOCK)):
            yield max(start, first * BLOCK), min(end, (first + count) * BLOCK)

    def _start_worker(self) -> Callable[[tuple[int, int, bool]], None]:
        buffer = bytearray(REQUEST)

        def work(task: tuple[int, int, bool]) -> None:
            self._do(buffer, *task)

        return work

    def _do(self, buffer: bytearray, offset: int, length: int, holds_data: bool) -> None:
        self.check_cancelled()
        if not holds_data:
            self.target.zero(offset, length)
            return
        if not self._is_finished(offset, length):
            view = memoryview(buffer)
            self.source.read_into(offset, view[:length])
            hash_blocks(buffer, offset, length, self.leaves)
            for start, end in self._changed(offset, length):
                self._put(buffer, offset, start, end)
            self.on_written(offset, length)
        self._report(length)

    def _changed(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """(start, end) within a request of what the target does not hold already."""
        if self.base is None:
            yield 0, length
            return
        for start in range(0, length, BLOCK):
            block = (offset + start) // BLOCK
            known = block < self.base.leaves.count
            if self.leaves[block] != (self.base.leaves[block] if known else ZERO_LEAF):
                yield start, min(start + BLOCK, length)

    def _put(self, buffer: bytearray, offset: int, start: int, end: int) -> None:
        if self._blocks is not None:
            self._put_blocks(self._blocks, buffer, offset, start, end)
            return
        for begin, stop, is_zero in _spans(buffer, start, end):
            if not is_zero:
                self._write(offset, memoryview(buffer), begin, stop)
            elif self.write_zeros:
                self.target.zero(offset + begin, stop - begin)

    def _put_blocks(
        self, target: BlockWriter, buffer: bytearray, offset: int, start: int, end: int
    ) -> None:
        for begin in range(start, end, BLOCK):
            stop, block = min(begin + BLOCK, end), (offset + begin) // BLOCK
            if (leaf := self.leaves[block]) != ZERO_LEAF:
                target.write_block(block, memoryview(buffer)[begin:stop], leaf)
            elif self.write_zeros:
                target.zero(offset + begin, stop - begin)

    def _write(self, offset: int, view: memoryview, start: int, end: int) -> None:
        if not self._kernel.copy(offset + start, offset + end):
            self.target.write(offset + start, view[start:end])

    def _is_finished(self, offset: int, length: int) -> bool:
        blocks = range(offset // BLOCK, -(-(offset + length) // BLOCK))
        return all(self.finished[block // 8] >> block % 8 & 1 for block in blocks)

    def _report(self, length: int) -> None:
        if self._progress is not None:
            with self._lock:
                self._done += length
                self._progress(self._done, self._total)


class _JournaledCopy:
    """A copy that can be gone on with."""

    def __init__(self, job: _Copy, target: ResumableWriter, path: Path) -> None:
        self._job, self._target = job, target
        header: dict[str, int | str] = {"source": job.source.fingerprint, "target": target.name}
        header |= {"size": target.size, "block": BLOCK}
        if job.base is not None:
            header["base"] = job.base.root.hex()
        self._journal = Journal(path, header)
        self._written: list[tuple[int, int]] = []
        self._unsynced = 0
        self._lock = threading.Lock()
        self._journal_lock = threading.Lock()

    def run(self, workers: int) -> Manifest:
        """Verify what is there, copy the rest, and finish or suspend the target."""
        try:
            self._verify(workers)
            self._job.on_written = self._on_written
            self._job.move(workers)
            self._target.finish()
        except BaseException:
            try:
                self._commit()
                self._target.suspend()
            finally:
                self._journal.close()
            raise
        self._journal.remove()
        return self._job.manifest()

    def _verify(self, workers: int) -> None:
        if not self._journal.resumes:
            self._target.restart()
            return
        # Blocks that were under way may hold anything: zeros count as much as data now.
        self._job.write_zeros = True
        lock = threading.Lock()

        def start_worker() -> Callable[[tuple[int, bytes]], None]:
            buffer = bytearray(BLOCK)

            def verify(record: tuple[int, bytes]) -> None:
                self._job.check_cancelled()
                block, leaf = record
                if block < self._job.leaves.count and self._holds(buffer, block, leaf):
                    with lock:
                        self._job.finished[block // 8] |= 1 << block % 8

            return verify

        run_parallel(self._journal.records(), start_worker, workers)

    def _holds(self, buffer: bytearray, block: int, leaf: bytes) -> bool:
        """True when the target's block has the hash `leaf`, which is then the block's leaf."""
        if isinstance(self._target, BlockWriter):
            self._job.leaves[block] = leaf
            return self._target.holds_block(block, leaf)
        offset = block * BLOCK
        length = min(BLOCK, self._job.source.size - offset)
        if not self._target.read_back(offset, memoryview(buffer)[:length]):
            return False
        hash_blocks(buffer, offset, length, self._job.leaves)
        return self._job.leaves[block] == leaf

    def _on_written(self, offset: int, length: int) -> None:
        with self._lock:
            self._written.append((offset, length))
            self._unsynced += length
            if self._unsynced < SYNC_EVERY:
                return
            self._unsynced = 0
        self._commit()

    def _commit(self) -> None:
        """Make what was written durable, then say so in the journal."""
        with self._journal_lock:
            with self._lock:
                written, self._written = self._written, []
            self._target.sync()
            self._journal.add(
                (block, self._job.leaves[block])
                for offset, length in written
                for block in range(offset // BLOCK, -(-(offset + length) // BLOCK))
            )


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
