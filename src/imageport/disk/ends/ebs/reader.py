"""Reading a completed EBS snapshot."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import ClassVar, Self

from imageport.disk.base import GIB, Extent, ExtentKind, merged
from imageport.disk.cache import LruCache
from imageport.disk.ends.ebs.api import WORKERS, EbsAccount, EbsApi
from imageport.disk.ends.ebs.errors import StaleTokenError
from imageport.disk.ends.errors import RefusedError
from imageport.disk.file import zero_fill
from imageport.disk.manifest import BLOCK
from imageport.model.target import DiskFormat

_WINDOW = 4096
"""Blocks whose tokens are listed together: 2 GiB."""
_WINDOWS = 8
_TOKEN_TRIES = 3


class EbsReader:
    """A `DiskReader` of a snapshot; blocks that it does not have are unallocated."""

    format: ClassVar[DiskFormat] = DiskFormat.RAW
    workers: ClassVar[int] = WORKERS

    def __init__(
        self,
        account: EbsAccount,
        snapshot: str,
        *,
        size: int | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        """`size` in bytes is that of the disk, where it is less than the volume's whole GiB.

        Raises `EndError`.
        """
        self.snapshot, self.name = snapshot, f"ebs://{account.region}/{snapshot}"
        self._api = EbsApi(account, self.name, cancel=cancel)
        volume = self._api.volume_size(snapshot) * GIB
        self.size = volume if size is None else min(size, volume)
        # A completed snapshot never changes.
        self.fingerprint = f"{self.name}:{self.size}"
        self._windows: LruCache[int, dict[int, str]] = LruCache(_WINDOWS)

    def extents(self) -> Iterator[Extent]:
        """See `DiskReader.extents`."""
        return merged(self._pieces())

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        """See `DiskReader.read_into`."""
        length = max(0, min(len(buffer), self.size - offset))
        view, done = memoryview(buffer)[:length], 0
        while done < length:
            block, skip = divmod(offset + done, BLOCK)
            part = view[done : done + BLOCK - skip]
            data = self._block(block)
            if data is None:
                zero_fill(part)
            else:
                part[:] = memoryview(data)[skip : skip + len(part)]
            done += len(part)
        return length

    def close(self) -> None:
        """See `DiskReader.close`."""
        self._api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pieces(self) -> Iterator[Extent]:
        end = 0
        for page in self._api.list_blocks(self.snapshot):
            for entry in page:
                start = entry["BlockIndex"] * BLOCK
                if start >= self.size:
                    break
                yield Extent(end, start - end, ExtentKind.UNALLOCATED)
                end = min(start + BLOCK, self.size)
                yield Extent(start, end - start, ExtentKind.DATA)
        yield Extent(end, self.size - end, ExtentKind.UNALLOCATED)

    def _block(self, block: int) -> bytes | None:
        """The content of a block, None when the snapshot has none."""
        for _ in range(_TOKEN_TRIES):
            token = self._windows.get(block // _WINDOW, self._list).get(block)
            if token is None:
                return None
            try:
                return self._whole(block, self._api.get_block(self.snapshot, block, token))
            except StaleTokenError:
                self._windows.drop(block // _WINDOW)
        detail = "the service gives tokens of blocks that it does not take"
        raise RefusedError(file=self.name, offset=block * BLOCK, detail=detail)

    def _whole(self, block: int, data: bytes) -> bytes:
        if len(data) != BLOCK:
            detail = f"a block has {len(data)} bytes instead of {BLOCK}"
            raise RefusedError(file=self.name, offset=block * BLOCK, detail=detail)
        return data

    def _list(self, window: int) -> dict[int, str]:
        """The tokens of the blocks of a window."""
        found: dict[int, str] = {}
        for page in self._api.list_blocks(self.snapshot, window * _WINDOW):
            for entry in page:
                if entry["BlockIndex"] >= (window + 1) * _WINDOW:
                    return found
                found[entry["BlockIndex"]] = entry["BlockToken"]
        return found


def changed_blocks(account: EbsAccount, first: str, second: str) -> Iterator[int]:
    """Byte offsets of the blocks that differ between two snapshots of one lineage, in order.

    They are of 512 KiB, as in `manifest.compare`. Raises `EndError`.
    """
    api = EbsApi(account, f"ebs://{account.region}/{first}..{second}")
    for page in api.list_changed(first, second):
        for entry in page:
            yield entry["BlockIndex"] * BLOCK
