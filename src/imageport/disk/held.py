"""Which sectors a child image holds itself; all others are its parent's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from imageport.disk.base import SECTOR


class HeldSectors:
    """A bit for each sector of the blocks that are held in part; blocks held whole need none.

    Memory: 1/4096 of the blocks that are held in part. May be used from several threads at once.
    """

    def __init__(self, size: int, block: int) -> None:
        """For a disk of `size` bytes in blocks of `block` bytes, both whole sectors."""
        self._size, self._block = size, block
        self._masks: dict[int, int] = {}
        self._whole: set[int] = set()
        self._lock = threading.Lock()

    def add(self, offset: int, length: int) -> None:
        """The child holds `length` bytes at `offset`, whole sectors."""
        end = offset + length
        while offset < end:
            block = offset // self._block
            stop = min((block + 1) * self._block, end)
            first, count = offset % self._block // SECTOR, (stop - offset) // SECTOR
            with self._lock:
                self._add(block, ((1 << count) - 1) << first)
            offset = stop

    def blocks(self) -> Iterator[int]:
        """Every block of which a sector is held, in order."""
        return iter(sorted((*self._masks, *self._whole)))

    def is_whole(self, block: int) -> bool:
        """True when every sector of the block is held, as far as the disk goes."""
        return block in self._whole

    def mask(self, block: int) -> int:
        """The block's sectors, the first one in the lowest bit; set when held."""
        return self._all(block) if block in self._whole else self._masks.get(block, 0)

    def missing(self, block: int) -> Iterator[tuple[int, int]]:
        """(offset in the disk, length) in bytes of the runs that the parent has of the block."""
        rest, start = self._all(block) & ~self.mask(block), block * self._block
        at = 0
        while rest:
            skip = (rest & -rest).bit_length() - 1
            rest >>= skip
            run = (~rest & (rest + 1)).bit_length() - 1
            yield start + (at + skip) * SECTOR, run * SECTOR
            rest >>= run
            at += skip + run

    def _add(self, block: int, mask: int) -> None:
        if block in self._whole:
            return
        mask |= self._masks.get(block, 0)
        if mask == self._all(block):
            self._masks.pop(block, None)
            self._whole.add(block)
        else:
            self._masks[block] = mask

    def _all(self, block: int) -> int:
        length = min(self._block, self._size - block * self._block)
        return (1 << length // SECTOR) - 1
