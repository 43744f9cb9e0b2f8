"""A transfer that hashes what passes by, and leaves out what the target is known to hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from imageport.disk.base import BlockWriter, DiskReader, DiskWriter
from imageport.disk.manifest import BLOCK, ZERO_LEAF, Leaves, Manifest
from imageport.disk.transfer import Transfer
from imageport.disk.treehash import REQUEST, Progress, hash_blocks, requests


class HashedTransfer(Transfer):
    """See `copy`; `base` is the manifest of what the target held before."""

    def __init__(
        self,
        source: DiskReader,
        target: DiskWriter,
        progress: Progress | None,
        cancel: threading.Event,
        base: Manifest | None,
    ) -> None:
        super().__init__(source, target, progress, cancel)
        self.base = base
        self.write_zeros |= base is not None
        self.leaves = Leaves(-(-source.size // BLOCK))
        self.finished = bytearray(-(-self.leaves.count // 8))
        """A bit for each block that a resumed target holds already."""
        self.on_written: Callable[[int, int], None] = lambda offset, length: None
        self._blocks = target if isinstance(target, BlockWriter) else None

    def manifest(self) -> Manifest:
        """The manifest of what was copied."""
        return Manifest.of(self.source.size, self.leaves)

    def move_data(self, buffer: bytearray, offset: int, length: int) -> None:
        """See `Transfer.move_data`."""
        if self._is_finished(offset, length):
            return
        self.source.read_into(offset, memoryview(buffer)[:length])
        hash_blocks(buffer, offset, length, self.leaves)
        for start, end in self._changed(offset, length):
            if not self._sharing.share(offset + start, offset + end):
                self.put(buffer, offset, start, end)
        self.on_written(offset, length)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """See `Transfer.ranges`: all has to be read for its hash, request by request."""
        return requests(self.source)

    def put(self, buffer: bytearray, offset: int, start: int, end: int) -> None:
        """See `Transfer.put`."""
        if self._blocks is None:
            super().put(buffer, offset, start, end)
            return
        for begin in range(start, end, BLOCK):
            stop, block = min(begin + BLOCK, end), (offset + begin) // BLOCK
            if (leaf := self.leaves[block]) != ZERO_LEAF:
                self._blocks.write_block(block, memoryview(buffer)[begin:stop], leaf)
            elif self.write_zeros:
                self.target.zero(offset + begin, stop - begin)

    def gap(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """See `Transfer.gap`."""
        # Zeros that travel block by block are shared among the workers.
        step = REQUEST if self._blocks is not None else self.target.size
        for first, last in self._not_zeros(start, end):
            for at in range(first // step * step, last, step):
                begin = max(first, at)
                yield begin, min(last, at + step) - begin

    def _not_zeros(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(start, end) of what may not be zeros in a range of the target."""
        if self.base is None:
            yield from ((at, at + length) for at, length in super().gap(start, end))
            return
        # Behind its end the target has zeros, in its last block, too.
        end = min(end, self.base.size)
        if start >= end:
            return
        for first, count in self.base.leaves.runs(start // BLOCK, -(-end // BLOCK)):
            yield max(start, first * BLOCK), min(end, (first + count) * BLOCK)

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

    def _is_finished(self, offset: int, length: int) -> bool:
        blocks = range(offset // BLOCK, -(-(offset + length) // BLOCK))
        return all(self.finished[block // 8] >> block % 8 & 1 for block in blocks)
