"""Copying a disk to any target: bounded memory, hashed on the way, resumable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from imageport.disk.base import MIB, BlockWriter, DiskReader, DiskWriter, ResumableWriter
from imageport.disk.errors import TargetTooSmallError, UnsupportedError
from imageport.disk.hashed import HashedTransfer
from imageport.disk.journal import Journal
from imageport.disk.manifest import BLOCK, Manifest
from imageport.disk.transfer import Transfer
from imageport.disk.treehash import Progress, hash_blocks
from imageport.disk.workers import run_parallel, workers_for

SYNC_EVERY = 256 * MIB
"""Bytes of data between two entries in the journal."""


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

    Where the file system can share blocks, they are shared and not written anew.

    A target that is larger than the source has zeros behind it; see `Manifest.padded` for its
    hash. Raises `DiskError`, and whatever `progress` raises.
    """
    _require_room(source, target)
    if base is not None and target.ordered:
        target.abort()
        raise UnsupportedError(file=target.name, feature="writing only what changed to a stream")
    job = HashedTransfer(source, target, progress, cancel or threading.Event(), base)
    count = workers or workers_for(source, target)
    if journal is None:
        job.run(count)
        return job.manifest()
    if not isinstance(target, ResumableWriter):
        target.abort()
        raise UnsupportedError(file=target.name, feature="resuming a copy to this kind of target")
    return _JournaledCopy(job, target, journal).run(count)


def copy_unhashed(
    source: DiskReader,
    target: DiskWriter,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Copy without a hash, which is most of the work of a local copy; see `copy` for the rest.

    Blocks that the file system can share are not even read.
    """
    _require_room(source, target)
    job = Transfer(source, target, progress, cancel or threading.Event())
    job.run(workers or workers_for(source, target))


def _require_room(source: DiskReader, target: DiskWriter) -> None:
    if target.size < source.size:
        error = TargetTooSmallError(file=target.name, size=target.size, needed=source.size)
        target.abort()
        raise error


class _JournaledCopy:
    """A copy that can be gone on with."""

    def __init__(self, job: HashedTransfer, target: ResumableWriter, path: Path) -> None:
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
