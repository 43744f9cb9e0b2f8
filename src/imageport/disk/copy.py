"""Copying a disk to any target: bounded memory, hashed on the way, resumable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from imageport.disk.base import KIB, MIB, ZEROS, DiskReader, DiskWriter, ResumableWriter
from imageport.disk.errors import CopyCancelledError, TargetTooSmallError, UnsupportedError
from imageport.disk.journal import Journal
from imageport.disk.manifest import BLOCK, Leaves, Manifest
from imageport.disk.sharing import KernelCopy
from imageport.disk.treehash import REQUEST, Progress, hash_blocks, requests
from imageport.disk.workers import default_workers, run_parallel

GRANULE = 64 * KIB
"""Zeros are left out in this unit: the cluster of qcow2, the grain of VMDK."""
SYNC_EVERY = 256 * MIB
"""Bytes of data between two entries in the journal."""
_ZERO_GRANULE = ZEROS[:GRANULE]


def copy(  # noqa: PLR0913  # the last four are options, by keyword only
    source: DiskReader,
    target: DiskWriter,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    journal: Path | None = None,
) -> Manifest:
    """Copy `source` to `target`, finish the target, and return the manifest of what was copied.

    `workers` threads (default: by the processors) move requests of 1 MiB. `progress` is called
    with (done, total) bytes of the blocks that hold data, never by two threads at once. When
    `cancel` is set the copy ends with `CopyCancelledError`.

    Without `journal`, a copy that fails aborts the target: nothing is left behind. With it, the
    target must be a `ResumableWriter`: it is suspended, and the same call with a target made with
    `resume=True` goes on. Blocks that the journal calls finished are read back from the target and
    hashed before they are trusted. The journal is removed at the end.

    A target that is larger than the source has zeros behind it; see `Manifest.padded` for its
    hash. Raises `DiskError`, and whatever `progress` raises.
    """
    if target.size < source.size:
        error = TargetTooSmallError(file=target.name, size=target.size, needed=source.size)
        target.abort()
        raise error
    job = _Copy(source, target, progress, cancel or threading.Event())
    count = workers or default_workers()
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
    ) -> None:
        self.source, self.target = source, target
        self.leaves = Leaves(-(-source.size // BLOCK))
        self.write_zeros = target.ordered or not target.zeroed
        self.finished = bytearray(-(-self.leaves.count // 8))
        """A bit for each block that a resumed target holds already."""
        self.on_written: Callable[[int, int], None] = lambda offset, length: None
        self._kernel = KernelCopy(source, target)
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
            if at < offset and self.write_zeros:
                yield at, offset - at, False
            yield offset, length, True
            at = offset + length
        if at < self.target.size and self.write_zeros:
            yield at, self.target.size - at, False

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
            for start, end, is_zero in _spans(buffer, length):
                if not is_zero:
                    self._write(offset, view, start, end)
                elif self.write_zeros:
                    self.target.zero(offset + start, end - start)
            self.on_written(offset, length)
        self._report(length)

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
        self._journal = Journal(path, {**header, "size": target.size, "block": BLOCK})
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


def _spans(buffer: bytearray, length: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it is zeros) of the first `length` bytes, in whole granules."""
    start, before = 0, _is_zero(buffer, 0, length)
    for at in range(GRANULE, length, GRANULE):
        now = _is_zero(buffer, at, length)
        if now is not before:
            yield start, at, before
            start, before = at, now
    yield start, length, before


def _is_zero(buffer: bytearray, at: int, length: int) -> bool:
    end = min(at + GRANULE, length)
    return buffer.startswith(_ZERO_GRANULE[: end - at], at, end)
