"""NBD exports to read a disk from and to write one to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import ClassVar, Self, Unpack

from imageport.disk.base import KIB, SECTOR, Extent, ExtentKind
from imageport.disk.ends.errors import DeniedError
from imageport.disk.ends.nbd.address import NbdAddress, NbdTls
from imageport.disk.ends.nbd.disk import NbdDisk
from imageport.disk.ends.nbd.ledger import Ledger
from imageport.disk.ends.nbd.peer import NbdOptions, NbdPeer
from imageport.disk.ends.nbd.protocol import Flag
from imageport.disk.errors import NotADiskError, TargetTooSmallError
from imageport.model.target import DiskFormat

_SAMPLE = 64 * KIB


class NbdReader:
    """A `DiskReader` of an export; what `base:allocation` calls zeros is never fetched.

    The protocol gives content no version. The fingerprint is taken from the address, the size, the
    extents, and the first and last 64 KiB: a change in the middle of a disk goes unnoticed.
    """

    format: ClassVar[DiskFormat] = DiskFormat.RAW
    workers: ClassVar[int] = 8

    def __init__(
        self, address: NbdAddress, tls: NbdTls | None = None, **options: Unpack[NbdOptions]
    ) -> None:
        """Connect. Raises `EndError`, `NotADiskError`."""
        self._peer = NbdPeer(address, tls, **options)
        self._disk = NbdDisk(self._peer)
        self.name, self.size = self._peer.name, self._disk.size
        if self.size % SECTOR or not self.size:
            self.close()
            detail = f"an export of {self.size} bytes is no whole number of sectors"
            raise NotADiskError(file=self.name, detail=detail)

    @property
    def fingerprint(self) -> str:
        """See `DiskReader.fingerprint`."""
        digest = hashlib.sha256()
        for extent in self.extents():
            digest.update(f"{extent.offset} {extent.kind}\n".encode())
        sample = bytearray(min(_SAMPLE, self.size))
        for at in (0, self.size - len(sample)):
            self.read_into(at, sample)
            digest.update(sample)
        return f"{self.name}:{self.size}:{digest.hexdigest()}"

    def extents(self) -> Iterator[Extent]:
        """See `DiskReader.extents`."""
        return self._disk.extents()

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        """See `DiskReader.read_into`."""
        length = max(0, min(len(buffer), self.size - offset))
        if length:
            self._disk.read(offset, memoryview(buffer)[:length])
        return length

    def close(self) -> None:
        """See `DiskReader.close`."""
        self._peer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NbdWriter:
    """A `ResumableWriter` onto an export, in place.

    What a reconnect may have cost is read back before it is called durable: see `Ledger`. The
    export counts as zeroed when the server says so of every byte before the first write. Then an
    `abort` lets the server forget what was written; otherwise there is nothing to roll back to.
    """

    format: ClassVar[DiskFormat] = DiskFormat.RAW
    ordered: ClassVar[bool] = False
    workers: ClassVar[int] = 8

    def __init__(
        self,
        address: NbdAddress,
        size: int,
        tls: NbdTls | None = None,
        *,
        allocate: bool = False,
        **options: Unpack[NbdOptions],
    ) -> None:
        """Connect to an export of at least `size` bytes.

        With `allocate`, zeros take room at the server. Raises `EndError`, `TargetTooSmallError`.
        """
        self._peer = NbdPeer(address, tls, **options)
        self._disk = NbdDisk(self._peer, allocate=allocate)
        self._ledger = Ledger(self._disk)
        self.name, self.size = self._peer.name, self._disk.size
        self._open = True
        try:
            self._require_room(size)
            self.zeroed = all(each.kind is not ExtentKind.DATA for each in self._disk.extents())
        except BaseException:
            self._close()
            raise

    def write(self, offset: int, data: memoryview) -> None:
        """See `DiskWriter.write`."""
        self._ledger.write(offset, data)

    def zero(self, offset: int, length: int) -> None:
        """See `DiskWriter.zero`."""
        self._ledger.zero(offset, length)

    def finish(self) -> None:
        """See `DiskWriter.finish`."""
        self._ledger.flush()
        self._close()

    def abort(self) -> None:
        """See `DiskWriter.abort`."""
        if self._open and self.zeroed:
            self._disk.discard()
        self._close()

    def restart(self) -> None:
        """See `ResumableWriter.restart`: `zeroed` has been asked for afresh, that is enough."""

    def sync(self) -> None:
        """See `ResumableWriter.sync`."""
        self._ledger.flush()

    def suspend(self) -> None:
        """See `ResumableWriter.suspend`."""
        self._close()

    def read_back(self, offset: int, view: memoryview) -> bool:
        """See `ResumableWriter.read_back`."""
        self._disk.read(offset, view)
        return True

    def _require_room(self, size: int) -> None:
        if self._peer.export.has(Flag.READ_ONLY):
            raise DeniedError(file=self.name, detail="the export is read-only")
        if self.size < size:
            raise TargetTooSmallError(file=self.name, size=self.size, needed=size)

    def _close(self) -> None:
        self._open = False
        self._peer.close()
