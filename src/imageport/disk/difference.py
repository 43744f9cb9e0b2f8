"""Where two disks differ, by their manifests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imageport.disk.base import DiskReader
from imageport.disk.manifest import BLOCK, Manifest, compare


@dataclass(frozen=True, slots=True)
class Difference:
    """A range of whole blocks, in bytes."""

    offset: int
    length: int


def differences(one: Manifest, other: Manifest) -> Iterator[Difference]:
    """The ranges where two disks differ, in order; the longer one's end differs throughout."""
    size = max(one.size, other.size)
    start = end = 0
    for offset in compare(one, other):
        if offset != end:
            if end > start:
                yield Difference(start, end - start)
            start = offset
        end = min(offset + BLOCK, size)
    if end > start:
        yield Difference(start, end - start)


def first_byte(one: DiskReader, other: DiskReader, at: Difference) -> int:
    """The offset of the first byte of a difference. Raises `DiskError`."""
    views = [bytearray(BLOCK), bytearray(BLOCK)]
    for offset in range(at.offset, at.offset + at.length, BLOCK):
        lengths = [
            reader.read_into(offset, view) for reader, view in zip((one, other), views, strict=True)
        ]
        for index in range(min(lengths)):
            if views[0][index] != views[1][index]:
                return offset + index
        if lengths[0] != lengths[1]:
            return offset + min(lengths)
    return at.offset
