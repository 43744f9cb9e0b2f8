"""Google Cloud's image archive: `disk.raw` of whole GiB in a gzipped tar of the old GNU format.

The sparse map of that format comes first (GNU tar manual, "Old GNU Format" and "Storing Sparse
Files"), so where data may be has to be known before any of it is written.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from typing import ClassVar

from imageport.disk.base import GIB, SECTOR, ZEROS, DiskReader
from imageport.disk.deflate import END_OF_PARTS, deflate_part
from imageport.disk.errors import UnsupportedError, UnwritableError
from imageport.disk.mapped import MAX_SIZE
from imageport.disk.target import TargetFile
from imageport.disk.treehash import requests
from imageport.disk.turnstile import Turnstile
from imageport.model.target import DiskFormat

_NAME = b"disk.raw"
_RECORD = 20 * SECTOR
"""Tar files are whole records of 20 blocks."""
_IN_HEADER, _IN_EXTENSION = 4, 21
"""Entries of the sparse map in the header, and in each block that extends it."""
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_MAX_RANGES = 1 << 20


class GcpArchiveWriter:
    """A `DiskWriter` of `NAME.tar.gz` that deflates in the calling threads, in order.

    Only what the source called data may be written as anything but zeros.
    """

    format: ClassVar[DiskFormat] = DiskFormat.TAR_GZ
    zeroed: ClassVar[bool] = True
    ordered: ClassVar[bool] = True

    def __init__(self, target: TargetFile, source: DiskReader) -> None:
        """Create the archive for a copy of `source`, its size rounded up to whole GiB."""
        self.size = -(-source.size // GIB) * GIB
        self.name = target.name
        self._ranges = list(_ranges(source))
        if len(self._ranges) > _MAX_RANGES or self.size > MAX_SIZE:
            feature = f"an archive of {self.size} bytes in {len(self._ranges)} pieces"
            raise UnsupportedError(file=self.name, feature=feature)
        self._starts = [start for start, _ in self._ranges]
        self._stored = sum(end - start for start, end in self._ranges)
        self._file = target
        target.open()
        self._turnstile = Turnstile(self.name)
        self._at = self._plain = self._crc = 0
        self._put(_GZIP_HEADER)
        head = b"".join(_headers(self._ranges, self._stored, self.size))
        self._append(memoryview(head), deflate_part(memoryview(head)))

    def write(self, offset: int, data: memoryview) -> None:
        """See `DiskWriter.write`."""
        if list(self._covered(offset, offset + len(data))) != [(offset, offset + len(data))]:
            detail = "data where the source said that there is none"
            raise UnwritableError(file=self.name, offset=offset, detail=detail)
        packed = deflate_part(data)
        with self._turnstile.turn(offset, offset + len(data)):
            self._append(data, packed)

    def zero(self, offset: int, length: int) -> None:
        """See `DiskWriter.zero`."""
        with self._turnstile.turn(offset, offset + length):
            for start, end in self._covered(offset, offset + length):
                for at in range(start, end, len(ZEROS)):
                    part = memoryview(ZEROS)[: end - at]
                    self._append(part, deflate_part(part))

    def finish(self) -> None:
        """See `DiskWriter.finish`."""
        self._turnstile.require_end(self.size)
        end = bytes(-self._stored % SECTOR + 2 * SECTOR)
        end += bytes(-(self._plain + len(end)) % _RECORD)
        self._append(memoryview(end), deflate_part(memoryview(end)))
        self._put(END_OF_PARTS + struct.pack("<II", self._crc, self._plain & 0xFFFFFFFF))
        self._file.complete()

    def abort(self) -> None:
        """See `DiskWriter.abort`."""
        self._turnstile.close()
        self._file.discard()

    def _covered(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of [start, end) that the archive stores."""
        index = max(0, bisect_right(self._starts, start) - 1)
        while index < len(self._ranges) and self._ranges[index][0] < end:
            first, last = self._ranges[index]
            if max(first, start) < min(last, end):
                yield max(first, start), min(last, end)
            index += 1

    def _append(self, plain: memoryview, packed: bytes) -> None:
        self._crc = zlib.crc32(plain, self._crc)
        self._plain += len(plain)
        self._put(packed)

    def _put(self, data: bytes) -> None:
        self._file.write(self._at, data)
        self._at += len(data)


def _ranges(source: DiskReader) -> Iterator[tuple[int, int]]:
    """(start, end) of what a copy of `source` may write, neighbours joined."""
    start = end = 0
    for offset, length in requests(source):
        if offset != end:
            if end > start:
                yield start, end
            start = offset
        end = offset + length
    if end > start:
        yield start, end


def _headers(ranges: list[tuple[int, int]], stored: int, size: int) -> Iterator[bytes]:
    """The header block of `disk.raw` and the blocks that extend its sparse map."""
    entries = [_number(start) + _number(end - start) for start, end in ranges]
    entries.append(_number(size) + _number(0))
    first, rest = entries[:_IN_HEADER], entries[_IN_HEADER:]
    head = _NAME.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
    head += _number(stored) + _number(0) + b" " * 8 + b"S" + bytes(100) + b"ustar  \0"
    head += b"root".ljust(32, b"\0") * 2 + bytes(57)
    head += b"".join(first).ljust(_IN_HEADER * 24, b"\0")
    head += bytes([bool(rest)]) + _number(size)
    head = head.ljust(SECTOR, b"\0")
    yield head[:148] + b"%06o\0 " % sum(head) + head[156:]
    for at in range(0, len(rest), _IN_EXTENSION):
        block = b"".join(rest[at : at + _IN_EXTENSION]).ljust(_IN_EXTENSION * 24, b"\0")
        yield (block + bytes([at + _IN_EXTENSION < len(rest)])).ljust(SECTOR, b"\0")


def _number(value: int) -> bytes:
    """Twelve bytes: octal, or base 256 from 8 GiB on."""
    if value < 1 << 33:
        return b"%011o\0" % value
    return b"\x80" + value.to_bytes(11, "big")
