"""What a writer remembers of its unfinished snapshot, so that another process can go on with it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from imageport.disk.journal import Journal
from imageport.disk.kept import keep
from imageport.disk.manifest import Leaves

_RECORD_EVERY = 4096
"""Blocks after which they are recorded unasked: the list of new ones must not grow for ever."""


@dataclass
class Pending:
    """An unfinished snapshot: the request that starts it, and what came of that."""

    request: dict[str, Any]
    """Of StartSnapshot, with its client token: asked again, it gives the same snapshot."""
    snapshot: str = ""
    encrypted: bool = False
    sealing: bool = False
    """CompleteSnapshot was asked for."""

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What `save` wrote; None when there is nothing or it is damaged."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Write it, whole or not at all. Raises `UnwritableError`."""
        keep(path, [json.dumps(asdict(self)).encode()])


class PutBlocks:
    """The blocks that the service has confirmed, with their checksums; kept in `path`.

    A pending snapshot cannot be read: this is what is known of it. Memory: 32 bytes a block.
    """

    def __init__(self, path: Path, snapshot: str, count: int) -> None:
        """`count` is the blocks of the volume. Raises `UnwritableError`."""
        self._leaves, self._bits = Leaves(count), bytearray(-(-count // 8))
        self.count = 0
        self._fresh: list[tuple[int, bytes]] = []
        self._lock, self._journal_lock = threading.Lock(), threading.Lock()
        self._journal = Journal(path, {"snapshot": snapshot})
        for block, leaf in self._journal.records():
            if block < count:
                self._set(block, leaf)

    def __contains__(self, block: int) -> bool:
        return block < len(self._bits) * 8 and bool(self._bits[block // 8] >> block % 8 & 1)

    def holds(self, block: int, leaf: bytes) -> bool:
        """Whether the block was put with this checksum, last."""
        return block in self and self._leaves[block] == leaf

    def add(self, block: int, leaf: bytes) -> None:
        """A block was confirmed."""
        with self._lock:
            self._set(block, leaf)
            self._fresh.append((block, leaf))
            full = len(self._fresh) >= _RECORD_EVERY
        if full:
            self.sync()

    def sync(self) -> None:
        """Record what is new, durably. Raises `UnwritableError`."""
        with self._journal_lock:
            with self._lock:
                fresh, self._fresh = self._fresh, []
            self._journal.add(fresh)

    def linear_checksum(self) -> bytes:
        """SHA-256 over the checksums of the blocks that were put, in the order of the blocks."""
        total = hashlib.sha256()
        for byte, bits in enumerate(self._bits):
            for block in range(byte * 8, byte * 8 + 8) if bits else ():
                if block in self:
                    total.update(self._leaves[block])
        return total.digest()

    def close(self) -> None:
        """Leave the record; safe to repeat."""
        self._journal.close()

    def remove(self) -> None:
        """Delete the record; safe to repeat."""
        self._journal.remove()

    def _set(self, block: int, leaf: bytes) -> None:
        if block not in self:
            self._bits[block // 8] |= 1 << block % 8
            self.count += 1
        self._leaves[block] = leaf


def forget(*paths: Path) -> None:
    """Remove files that may not be there."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
