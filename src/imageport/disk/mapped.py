"""Readers of image files: a format maps ranges of the disk to runs, the rest is done here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple, Protocol, Self
from uuid import UUID

from imageport.disk.base import SECTOR, TIB, Extent, ExtentKind, merged
from imageport.disk.errors import CorruptError, UnsupportedError
from imageport.disk.file import ImageFile, zero_fill
from imageport.model.target import DiskFormat

MAX_SIZE = 64 * TIB
"""Largest virtual size in bytes that is read: what VHDX allows, the largest of all formats."""


class Absent(NamedTuple):
    """A run that is stored nowhere; `kind` is zero or unallocated."""

    offset: int
    length: int
    kind: ExtentKind

    def fill(self, view: memoryview) -> None:
        """Write the run's bytes into `view`."""
        zero_fill(view)


class Stored(NamedTuple):
    """A run whose bytes lie as they are in a file, from `position` on."""

    offset: int
    length: int
    file: ImageFile
    position: int

    def fill(self, view: memoryview) -> None:
        """Write the run's bytes into `view`."""
        self.file.read_into(self.position, view)


Plain = bytes | bytearray
"""What a compressed unit holds."""


class Unpacker(Protocol):
    """A format that stores compressed units."""

    def unpack(self, key: int) -> Plain:
        """The plain bytes of the unit `key` (the format's own name for it)."""


class Packed(NamedTuple):
    """A run within one compressed unit, `skip` bytes into its plain bytes."""

    offset: int
    length: int
    owner: Unpacker
    key: int
    skip: int

    def fill(self, view: memoryview) -> None:
        """Write the run's bytes into `view`."""
        view[:] = memoryview(self.owner.unpack(self.key))[self.skip : self.skip + self.length]


Run = Absent | Stored | Packed
"""Where the bytes of a range of the disk are; offsets and lengths in bytes of the disk."""


class MappedReader(ABC):
    """A `DiskReader` over runs. A subclass states its size and yields its own runs.

    It owns `files` and `parent`, which supplies what is unallocated here.
    """

    format: ClassVar[DiskFormat]

    def __init__(self, file: ImageFile, size: int, parent: MappedReader | None = None) -> None:
        self.file = file
        self.size = size
        self.parent = parent
        self.identity: UUID | int | None = None
        """What a child of this file knows it by, in formats that say so."""
        if size > MAX_SIZE:
            feature = f"a virtual size of {size} bytes (at most {MAX_SIZE})"
            raise UnsupportedError(file=file.name, feature=feature)
        if size <= 0 or size % SECTOR:
            raise self.corrupt("virtual size", 0, f"{size} bytes is not a whole number of sectors")

    @abstractmethod
    def own_runs(self, start: int, end: int) -> Iterator[Run]:
        """This file's runs that cover [start, end) in order, clipped to it."""

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """The chain's runs that cover [start, end) in order, neighbours joined where they can."""
        own = joined(self.own_runs(start, end))
        return own if self.parent is None else self._inherited(own, self.parent)

    @property
    def workers(self) -> int:
        """The most threads that a file of the chain wishes for."""
        above = 1 if self.parent is None else self.parent.workers
        return max(self.file.workers, above)

    def chain(self) -> Iterator[MappedReader]:
        """This disk, its parent, and so on."""
        at: MappedReader | None = self
        while at is not None:
            yield at
            at = at.parent

    @property
    def fingerprint(self) -> str:
        """See `DiskReader.fingerprint`."""
        above = "" if self.parent is None else self.parent.fingerprint
        return f"{self.file.fingerprint};{above}"

    def extents(self) -> Iterator[Extent]:
        """See `DiskReader.extents`; holes of the files themselves count as unallocated."""
        return merged(_extents(self.runs(0, self.size)))

    def read_into(self, offset: int, buffer: bytearray | memoryview) -> int:
        """See `DiskReader.read_into`."""
        end = min(offset + len(buffer), self.size)
        if offset >= end:
            return 0
        view = memoryview(buffer)
        for run in self.runs(offset, end):
            at = run.offset - offset
            run.fill(view[at : at + run.length])
        return end - offset

    def close(self) -> None:
        """See `DiskReader.close`."""
        self.file.close()
        if self.parent is not None:
            self.parent.close()

    def corrupt(self, structure: str, offset: int, detail: str) -> CorruptError:
        """The error for a structure of this file at byte `offset` of it."""
        return corrupt(self.file, structure, offset, detail)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _inherited(self, own: Iterable[Run], parent: MappedReader) -> Iterator[Run]:
        for run in own:
            if not isinstance(run, Absent) or run.kind is not ExtentKind.UNALLOCATED:
                yield run
                continue
            end = run.offset + run.length
            shared = max(run.offset, min(end, parent.size))
            yield from parent.runs(run.offset, shared)
            if shared < end:
                yield Absent(shared, end - shared, ExtentKind.UNALLOCATED)


def corrupt(file: ImageFile, structure: str, offset: int, detail: str) -> CorruptError:
    """The error for a structure at byte `offset` of `file`."""
    return CorruptError(file=file.name, structure=structure, offset=offset, detail=detail)


def joined(runs: Iterable[Run]) -> Iterator[Run]:
    """Join neighbouring runs that continue each other."""
    held: Run | None = None
    for run in runs:
        longer = None if held is None else _join(held, run)
        if longer is None and held is not None:
            yield held
        held = longer or run
    if held is not None:
        yield held


def _join(first: Run, second: Run) -> Run | None:
    if isinstance(first, Stored) and isinstance(second, Stored):
        if first.file is second.file and first.position + first.length == second.position:
            return Stored(first.offset, first.length + second.length, first.file, first.position)
    elif isinstance(first, Absent) and isinstance(second, Absent) and first.kind is second.kind:
        return Absent(first.offset, first.length + second.length, first.kind)
    return None


def _extents(runs: Iterable[Run]) -> Iterator[Extent]:
    for run in runs:
        if isinstance(run, Absent):
            yield Extent(run.offset, run.length, run.kind)
        elif isinstance(run, Packed):
            yield Extent(run.offset, run.length, ExtentKind.DATA)
        else:
            shift = run.offset - run.position
            for part in run.file.allocation(run.position, run.length):
                yield Extent(part.offset + shift, part.length, part.kind)
