"""Pieces of an image file that overlap, which no sound image has.

Data that is there twice is damage; and a small file could describe more than anyone can read.
Memory is bounded whatever the file says.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import chain, islice

from imageport.disk.base import MIB
from imageport.disk.errors import UnsupportedError
from imageport.disk.file import ImageFile
from imageport.disk.mapped import corrupt

_CHUNK = 1 * MIB
"""Numbers that are sorted at once, since a list of them needs ten times the memory."""
_MAX_UNITS = 1 << 29
"""Units of a file that are told apart: 64 MiB of memory, 32 TiB of 64 KiB clusters."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a table says where it lies, in units of `unit` bytes of the file, less than 2**32."""

    unit: int
    starts: array[int]
    length: int
    """Of each piece that begins at one of `starts`."""
    others: Mapping[int, int]
    """Start to length of pieces of other lengths."""

    def require_apart(self, file: ImageFile, table: int) -> None:
        """Raise `CorruptError` for the table at byte `table` when two pieces overlap."""
        if len(self.starts) * self.length > file.size // self.unit:
            # Seen at once, where comparing millions of blocks would take its time.
            detail = f"{len(self.starts)} blocks of {self.length * self.unit} bytes overlap"
            raise corrupt(file, "block allocation table", table, detail)
        before, end = 0, 0
        for start in _sorted(chain(self.others, self.starts)):
            if start < end:
                detail = f"blocks at bytes {before * self.unit} and {start * self.unit} overlap"
                raise corrupt(file, "block allocation table", table, detail)
            before, end = start, start + self.others.get(start, self.length)


def _sorted(numbers: Iterable[int]) -> Iterator[int]:
    source = iter(numbers)
    runs = []
    while chunk := sorted(islice(source, _CHUNK)):
        runs.append(array("I", chunk))
    return merge(*runs)


def require_countable(file: ImageFile, unit: int) -> None:
    """Raise `UnsupportedError` for a file of 2**32 units or more: its tables point no further."""
    if file.size // unit >= 1 << 32:
        feature = f"a file of {file.size} bytes with blocks"
        raise UnsupportedError(file=file.name, feature=feature)


class Taken:
    """Which units of a file are taken already."""

    def __init__(self, file: ImageFile, unit: int) -> None:
        """Tell apart pieces of `unit` bytes, a power of two, that begin at its multiples."""
        units = file.size // unit + 1
        if units > _MAX_UNITS:
            feature = f"a file of {file.size} bytes in units of {unit}"
            raise UnsupportedError(file=file.name, feature=feature)
        self._shift = unit.bit_length() - 1
        self._bits = bytearray(units // 8 + 1)

    def twice(self, positions: Iterable[int]) -> int | None:
        """Take the units at these bytes, which lie in the file; the first that was taken before."""
        bits, shift = self._bits, self._shift
        for position in positions:
            number = position >> shift
            bit = 1 << (number & 7)
            if bits[number >> 3] & bit:
                return position
            bits[number >> 3] |= bit
        return None
