"""What a disk is: a size, extents and positioned reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable

from imageport.model.target import DiskFormat

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB
SECTOR = 512

ZEROS = bytes(MIB)
"""A block of zeros to copy from and compare with."""


class ExtentKind(StrEnum):
    """What a range of a disk holds."""

    DATA = "data"
    ZERO = "zero"
    """The format says that the range is zeros."""
    UNALLOCATED = "unallocated"
    """Nothing is stored for the range in any file of the chain; it reads as zeros."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A range of a disk, in bytes."""

    offset: int
    length: int
    kind: ExtentKind

    @property
    def end(self) -> int:
        """The byte after the last one."""
        return self.offset + self.length


class DiskReader(Protocol):
    """A disk to read from. Every method may be called from several threads at once."""

    @property
    def size(self) -> int:
        """Virtual size in bytes."""

    @property
    def format(self) -> DiskFormat:
        """The format of the outermost file."""

    @property
    def fingerprint(self) -> str:
        """Changes when the content may have changed: a copy is only resumed from the same."""

    def extents(self) -> Iterator[Extent]:
        """The whole disk in order, without gaps; neighbours differ in kind.

        Raises `DiskError` when the image turns out to be unsound.
        """

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        """Fill `buffer` with the bytes from `offset` on; return how many (fewer only at the end).

        Raises `DiskError` when they cannot be had.
        """

    def close(self) -> None:
        """Give back every file of the chain; safe to repeat."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class DiskWriter(Protocol):
    """A disk to write to, once.

    `write` and `zero` may be called from several threads at once, for ranges that do not overlap.
    Every method raises `DiskError` when it cannot do what it says.
    """

    @property
    def name(self) -> str:
        """What errors and progress call the target: a path or an address."""

    @property
    def size(self) -> int:
        """Virtual size in bytes."""

    @property
    def zeroed(self) -> bool:
        """True when what is never written reads as zeros."""

    @property
    def ordered(self) -> bool:
        """True for a stream: calls must cover the disk once, each starting where one ended.

        A call whose predecessor has not ended waits for it. Data begins at multiples of 64 KiB.
        """

    def write(self, offset: int, data: memoryview) -> None:
        """Write `data` at byte `offset`."""

    def zero(self, offset: int, length: int) -> None:
        """Make `length` bytes at `offset` read as zeros."""

    def finish(self) -> None:
        """Complete the disk and make it durable; nothing may be written afterwards."""

    def abort(self) -> None:
        """Remove what was written and wake calls that wait; safe to repeat and after `finish`."""


@runtime_checkable
class ResumableWriter(DiskWriter, Protocol):
    """A writer that can go on with what an earlier process wrote."""

    def restart(self) -> None:
        """Forget what an earlier process wrote."""

    def sync(self) -> None:
        """Make everything durable whose `write` has returned, so that it can be resumed."""

    def suspend(self) -> None:
        """Close the target and leave what was written, to be resumed later."""

    def read_back(self, offset: int, view: memoryview) -> bool:
        """Fill `view` with what was written at `offset`; False when it was not."""


@runtime_checkable
class BlockWriter(ResumableWriter, Protocol):
    """A writer whose unit is the block of the tree hash (512 KiB): it is given no less.

    `zero` is given blocks, too: those that begin in its range. The range may begin in the middle
    of the block that ends the source, which is the rest of a block that was written.
    """

    def write_block(self, block: int, data: memoryview, leaf: bytes) -> None:
        """Write block number `block`, whose leaf is known; shorter data has zeros behind it."""

    def holds_block(self, block: int, leaf: bytes) -> bool:
        """Whether the peer has confirmed this very block: it cannot be read back yet."""


def merged(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Join neighbours of one kind; drop empty ones."""
    held: Extent | None = None
    for extent in extents:
        if not extent.length:
            continue
        if held is not None and held.kind is extent.kind:
            held = Extent(held.offset, held.length + extent.length, held.kind)
            continue
        if held is not None:
            yield held
        held = extent
    if held is not None:
        yield held


def data_bytes(reader: DiskReader) -> int:
    """How many bytes of data a reader has: the total of a progress bar."""
    return sum(extent.length for extent in reader.extents() if extent.kind is ExtentKind.DATA)
