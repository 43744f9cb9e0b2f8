"""What a disk is: a size, extents and positioned reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


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
