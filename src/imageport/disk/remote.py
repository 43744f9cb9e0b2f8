"""Files that lie elsewhere: read in large requests, their metadata through a small cache."""

from __future__ import annotations

from abc import abstractmethod

from imageport.disk.base import MIB
from imageport.disk.cache import LruCache
from imageport.disk.file import ImageFile

SMALL = MIB // 4
"""Bytes of a read that goes through the cache: tables, headers, compressed units."""
CACHE_BLOCK = MIB
_CACHED_BLOCKS = 16


class RemoteFile(ImageFile):
    """A file behind a network; a subclass sets the attributes and fetches.

    The file must not change while it is open: `fetch` raises `ChangedError` where it can tell.
    """

    def __init__(self) -> None:
        self._blocks: LruCache[int, bytes] = LruCache(_CACHED_BLOCKS)

    @abstractmethod
    def fetch(self, offset: int, view: memoryview) -> None:
        """Fill `view`, which lies within the file, from `offset` on. Raises `DiskError`."""

    @abstractmethod
    def beside(self, name: str) -> RemoteFile | None:
        """Open the file `name` (a plain name) of the same folder; None when there is none."""

    def pread(self, offset: int, view: memoryview) -> int:
        """See `ImageFile.pread`."""
        length = min(len(view), self.size - offset)
        if length <= 0:
            return 0
        if length > SMALL:
            self.fetch(offset, view[:length])
            return length
        skip = offset % CACHE_BLOCK
        block = self._blocks.get(offset // CACHE_BLOCK, self._fetch_block)
        length = min(length, CACHE_BLOCK - skip)
        view[:length] = memoryview(block)[skip : skip + length]
        return length

    def _fetch_block(self, number: int) -> bytes:
        start = number * CACHE_BLOCK
        buffer = bytearray(min(CACHE_BLOCK, self.size - start))
        self.fetch(start, memoryview(buffer))
        return bytes(buffer)
