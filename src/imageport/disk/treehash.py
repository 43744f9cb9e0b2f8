"""The tree hash of a disk: what `manifest` describes, computed on several threads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator

from imageport.disk.base import MIB, DiskReader, ExtentKind
from imageport.disk.manifest import BLOCK, ZERO_LEAF, Leaves, Manifest
from imageport.disk.workers import run_parallel, workers_for

REQUEST = 1 * MIB
"""Bytes of one read, a whole number of blocks; larger ones are not faster."""
_ZERO_BLOCK = bytes(BLOCK)

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all), never by two threads at once."""


def tree_hash(
    reader: DiskReader, progress: Progress | None = None, *, workers: int | None = None
) -> Manifest:
    """Hash every block that holds data; what is zero or unallocated is never read.

    `progress` counts the bytes of the blocks that hold data; it is called from the threads that
    hash. Memory: 1 MiB a thread, and 32 bytes a block that is not zero. Raises `DiskError`.
    """
    leaves = Leaves(-(-reader.size // BLOCK))
    total = sum(length for _, length in requests(reader)) if progress else 0
    done = 0
    lock = threading.Lock()

    def start_worker() -> Callable[[tuple[int, int]], None]:
        buffer = bytearray(REQUEST)

        def work(task: tuple[int, int]) -> None:
            nonlocal done
            offset, length = task
            reader.read_into(offset, memoryview(buffer)[:length])
            hash_blocks(buffer, offset, length, leaves)
            if progress is not None:
                with lock:
                    done += length
                    progress(done, total)

        return work

    run_parallel(requests(reader), start_worker, workers or workers_for(reader))
    return Manifest.of(reader.size, leaves)


def hash_blocks(buffer: bytearray, offset: int, length: int, leaves: Leaves) -> None:
    """Set the leaves of the `length` bytes at the start of `buffer`, `offset` bytes into the disk.

    `offset` is a multiple of the block size, and so is `length` but at the end of the disk.
    """
    view = memoryview(buffer)
    for start in range(0, length, BLOCK):
        end = min(start + BLOCK, length)
        leaves[(offset + start) // BLOCK] = _leaf(buffer, view, start, end)


def _leaf(buffer: bytearray, view: memoryview, start: int, end: int) -> bytes:
    padding = BLOCK - (end - start)
    if buffer.startswith(_ZERO_BLOCK[padding:], start, end):
        return ZERO_LEAF
    digest = hashlib.sha256(view[start:end])
    digest.update(_ZERO_BLOCK[:padding])
    return digest.digest()


def requests(reader: DiskReader) -> Iterator[tuple[int, int]]:
    """(offset, length) of whole blocks that cover the data, in order, at most `REQUEST` each."""
    size, end = reader.size, 0
    for extent in reader.extents():
        if extent.kind is not ExtentKind.DATA:
            continue
        start = max(end, extent.offset // BLOCK * BLOCK)
        end = max(end, min(-(-extent.end // BLOCK) * BLOCK, size))
        for at in range(start, end, REQUEST):
            yield at, min(REQUEST, end - at)
