"""The disk in one of Google Cloud's image archives, unpacked into a temporary file here.

A gzipped tar cannot be read at any offset, so that the whole of it is read once, front to back.
What is not data stays a hole: it takes the room of the data, not of the disk. Sources: GNU tar
manual, "Basic Tar Format" and "Old GNU Format"; RFC 1952.
"""

from __future__ import annotations

import io
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from isal import igzip

from imageport.disk.base import MIB, SECTOR
from imageport.disk.errors import CorruptError, NotADiskError
from imageport.disk.file import ImageFile, LocalFile
from imageport.disk.mapped import MAX_SIZE
from imageport.disk.raw import RawReader
from imageport.disk.writable import Writable

_NAMES = (b"disk.raw", b"./disk.raw")
_PLAIN, _SPARSE = (b"0", b"\0"), b"S"
_READ = 4 * MIB
_GRANULE = 64 * 1024
"""Zeros are left out in this unit."""
_MAX_RANGES = 1 << 20


class ArchiveReader(RawReader):
    """`disk.raw` of a `tar.gz`; its temporary file is gone when the reader is closed."""

    def __init__(self, archive: ImageFile, scratch: Path | None = None) -> None:
        """Unpack `archive` below the folder `scratch` (TMPDIR's, if None), and close it.

        Raises `NotADiskError`, `CorruptError`, `UnwritableError` and what reading `archive` raises.
        """
        self._folder = tempfile.TemporaryDirectory(dir=scratch, prefix="archive-")
        try:
            path = Path(self._folder.name) / "disk.raw"
            with _Unpacked(path) as target:
                _Archive(archive).unpack(target)
            super().__init__(LocalFile(path))
        except BaseException:
            self._folder.cleanup()
            raise
        finally:
            archive.close()
        self._origin = archive.fingerprint

    @property
    def fingerprint(self) -> str:
        """That of the archive, since the temporary file is another one each time."""
        return f"{self._origin}:disk.raw"

    def close(self) -> None:
        """See `DiskReader.close`."""
        super().close()
        self._folder.cleanup()


class _Unpacked(Writable):
    """The temporary file, in which zeros stay holes."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def __enter__(self) -> _Unpacked:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write_data(self, offset: int, data: bytes) -> None:
        """Write what is not zeros."""
        for at in range(0, len(data), _GRANULE):
            part = memoryview(data)[at : at + _GRANULE]
            if data.count(0, at, at + _GRANULE) != len(part):
                self.write(offset + at, part)


class _Stream(io.RawIOBase):
    """A file from its beginning to its end."""

    def __init__(self, file: ImageFile) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # as used
        """Fill `buffer` as far as there is anything."""
        got = self._file.pread(self._at, memoryview(buffer))
        self._at += got
        return got


class _Header(NamedTuple):
    """The member `disk.raw`: its size, and (offset, length) of what is stored of it, in order."""

    size: int
    ranges: list[tuple[int, int]]


class _Archive:
    """The plain bytes of an archive, read in order."""

    def __init__(self, archive: ImageFile) -> None:
        self._archive = archive
        stream = io.BufferedReader(_Stream(archive), _READ)
        self._plain = igzip.IGzipFile(fileobj=stream, mode="rb")  # type: ignore[no-untyped-call]  # its stubs have no types here
        self._at = 0

    def unpack(self, target: _Unpacked) -> None:
        """Write the disk to `target`, and read the archive to its end."""
        header = self._header()
        target.truncate(header.size)
        for offset, length in header.ranges:
            for start in range(offset, offset + length, MIB):
                count = min(MIB, offset + length - start)
                target.write_data(start, self._read(count, "data of disk.raw"))
        # Only at its end does gzip have its checksum.
        while self._some(MIB):
            pass

    def _header(self) -> _Header:
        block = self._read(SECTOR, "header")
        blank = block[:148] + b" " * 8 + block[156:]
        if block[148:156].strip(b" \0").lstrip(b"0") != b"%o" % sum(blank):
            raise NotADiskError(file=self._archive.name, detail="it is gzip, but of no tar archive")
        name, kind = block[:100].rstrip(b"\0"), block[156:157]
        if name not in _NAMES or kind not in (*_PLAIN, _SPARSE):
            detail = "it is no image archive: it does not begin with disk.raw in old GNU format"
            raise NotADiskError(file=self._archive.name, detail=detail)
        size = self._number(block[124:136])
        ranges = [(0, size)]
        if kind == _SPARSE:
            stored, size = size, self._number(block[483:495])
            ranges = self._ranges(block, size)
            if sum(length for _, length in ranges) != stored:
                raise self._corrupt("the sparse map does not add up")
        if not 0 < size <= MAX_SIZE or size % SECTOR:
            raise NotADiskError(file=self._archive.name, detail=f"disk.raw has {size} bytes")
        return _Header(size, ranges)

    def _ranges(self, block: bytes, size: int) -> list[tuple[int, int]]:
        """The sparse map in the header and the blocks that extend it."""
        ranges = list(self._entries(block[386:482]))
        more = block[482]
        while more and len(ranges) <= _MAX_RANGES:
            block = self._read(SECTOR, "sparse map")
            ranges += self._entries(block[:504])
            more = block[504]
        end = 0
        for offset, length in ranges:
            if offset < end or length < 0 or offset + length > size:
                raise self._corrupt("the sparse map is not in order")
            end = offset + length
        if more:
            raise self._corrupt(f"the sparse map has more than {_MAX_RANGES} entries")
        return ranges

    def _entries(self, table: bytes) -> Iterator[tuple[int, int]]:
        for at in range(0, len(table) - 23, 24):
            if table[at]:
                offset, length = table[at : at + 12], table[at + 12 : at + 24]
                yield self._number(offset), self._number(length)

    def _number(self, text: bytes) -> int:
        """Octal, or base 256 where the first bit is set."""
        if text[0] == 0x80:
            return int.from_bytes(text[1:], "big")
        try:
            return int(text.strip(b" \0") or b"0", 8)
        except ValueError:
            raise self._corrupt("a number of the header is none") from None

    def _read(self, length: int, structure: str) -> bytes:
        data = bytearray()
        while len(data) < length:
            part = self._some(length - len(data))
            if not part:
                raise self._corrupt(f"it ends in the {structure}")
            data += part
        return bytes(data)

    def _some(self, length: int) -> bytes:
        try:
            data: bytes = self._plain.read(length)
        except (EOFError, OSError, zlib.error, igzip.BadGzipFile) as error:
            raise self._corrupt(str(error) or type(error).__name__) from error
        self._at += len(data)
        return data

    def _corrupt(self, detail: str) -> CorruptError:
        return CorruptError(
            file=self._archive.name, structure="the archive", offset=self._at, detail=detail
        )
