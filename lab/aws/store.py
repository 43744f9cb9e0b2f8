"""The blocks of snapshots: one sparse file each, and what a volume made from a snapshot holds."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 512 * 1024
GIB = 1 << 30
_PER_GIB = GIB // BLOCK


@dataclass
class Snapshot:
    """A snapshot and the blocks that were put to it; others are its parent's."""

    id: str
    path: Path
    gib: int
    parent: Snapshot | None
    key: str | None
    """The KMS key of an encrypted snapshot."""
    timeout: float
    """Seconds without a request after which an open snapshot fails."""
    digests: dict[int, bytes] = field(default_factory=dict)
    sealed_at: float | None = None
    failed: bool = False
    touched: float = field(default_factory=time.monotonic)

    @property
    def blocks(self) -> int:
        return self.gib * _PER_GIB

    @property
    def status(self) -> str:
        """`pending`, `completed` or `error`."""
        if self.sealed_at is None and time.monotonic() - self.touched > self.timeout:
            self.failed = True
        if self.sealed_at is None or time.monotonic() < self.sealed_at:
            return "error" if self.failed else "pending"
        return "error" if self.failed else "completed"

    @property
    def open(self) -> bool:
        """Whether blocks may be put."""
        return self.status == "pending" and self.sealed_at is None

    def put(self, block: int, data: bytes) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(fd, data, block * BLOCK)
        finally:
            os.close(fd)
        self.digests[block] = hashlib.sha256(data).digest()
        self.touched = time.monotonic()

    def linear_checksum(self) -> bytes:
        """SHA-256 over the checksums of the blocks that were put, in the order of the blocks."""
        return hashlib.sha256(b"".join(self.digests[at] for at in sorted(self.digests))).digest()

    def owner(self, block: int) -> Snapshot | None:
        """The snapshot of the chain that holds the block."""
        here: Snapshot | None = self
        while here is not None and block not in here.digests:
            here = here.parent
        return here

    def digest(self, block: int) -> bytes | None:
        owner = self.owner(block)
        return None if owner is None else owner.digests[block]

    def get(self, block: int) -> bytes:
        """A block that some snapshot of the chain holds."""
        with open((self.owner(block) or self).path, "rb") as file:
            file.seek(block * BLOCK)
            return file.read(BLOCK)

    def held(self) -> list[int]:
        """The numbers of all blocks of the chain, in order."""
        return sorted({block for each in self.chain() for block in each.digests})

    def chain(self) -> Iterator[Snapshot]:
        """This snapshot, its parent, and so on."""
        here: Snapshot | None = self
        while here is not None:
            yield here
            here = here.parent

    def write_volume(self, path: Path, length: int) -> None:
        """The first `length` bytes of a new volume; in whole blocks.

        Blocks that were never put are zeros, but noise where the snapshot is encrypted: what is
        read there is zeros that were decrypted.
        """
        absent = hashlib.shake_256(self.id.encode()).digest(BLOCK) if self.key else b""
        with open(path, "wb") as file:
            file.truncate(length)
            for block in range(length // BLOCK):
                file.seek(block * BLOCK)
                file.write(self.get(block) if self.owner(block) else absent)


class Store:
    """All snapshots, below one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.snapshots: dict[str, Snapshot] = {}
        self.started: dict[str, tuple[dict[str, object], str]] = {}
        """By client token: the request and the snapshot that it made."""

    def add(
        self, id: str, gib: int, parent: Snapshot | None, key: str | None, timeout: float
    ) -> Snapshot:
        made = Snapshot(id, self.folder / f"{id}.raw", gib, parent, key, timeout)
        made.path.touch()
        self.snapshots[id] = made
        return made

    def remove(self, id: str) -> None:
        """Forget a snapshot; its file stays while another one has it for a parent."""
        gone = self.snapshots.pop(id)
        if not any(gone in each.chain() for each in self.snapshots.values()):
            gone.path.unlink(missing_ok=True)
