"""A file that holds an image, or part of one: positioned exact reads with our errors."""

from __future__ import annotations

import errno
import os
import stat
import threading
from abc import ABC, abstractmethod
from array import array
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from imageport.disk.base import ZEROS, Extent, ExtentKind
from imageport.disk.errors import NotADiskError, TruncatedError, UnreadableError

PREAD_LIMIT = 1 << 30
"""Bytes of one system call; Linux moves at most 2 GiB - 4 KiB at once."""


class Patch(NamedTuple):
    """Bytes that count instead of those in the file (a replayed log); None means zeros."""

    offset: int
    length: int
    data: bytes | None


class ImageFile(ABC):
    """A file, here or elsewhere, read by position from any thread; sizes in bytes.

    A subclass sets the attributes and reads; every method raises `DiskError`.
    """

    name: str
    """What errors call the file: a path, or an address without secrets."""
    size: int
    fingerprint: str
    """Changes when the content may have changed."""
    identity: Hashable
    """The same for the same file, whatever it is called."""
    modified = 0
    """When it was last written to, in seconds of Unix time; 0 when nobody says."""
    is_block_device = False
    workers = 1
    """Threads that reading is fastest with; 1 for no wish."""

    _patches: Sequence[Patch] = ()

    @abstractmethod
    def pread(self, offset: int, view: memoryview) -> int:
        """Read into `view` from `offset` on; how many bytes, 0 only at the end of the file."""

    @abstractmethod
    def stored(self, offset: int, length: int) -> Iterator[Extent]:
        """The range as data and holes of the file itself (offsets within the file), in order."""

    @abstractmethod
    def close(self) -> None:
        """Close the file; safe to repeat."""

    @property
    def suffix(self) -> str:
        """The end of the name that promises a format, in lower case: `.vhdx`."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def patched(self) -> bool:
        """True when reads differ from what the file holds."""
        return bool(self._patches)

    def patch(self, patches: Sequence[Patch]) -> None:
        """Let later reads see `patches` over the file, later ones over earlier ones."""
        self._patches = patches

    def require(self, offset: int, length: int, structure: str) -> None:
        """Raise `TruncatedError` unless the range lies within the file."""
        if offset + length > self.size:
            raise self._truncated(offset, length, structure, self.size)

    def read(self, offset: int, length: int, structure: str) -> bytes:
        """Exactly `length` bytes of metadata; the caller has bounded `length`."""
        self.require(offset, length, structure)
        buffer = bytearray(length)
        self.read_into(offset, memoryview(buffer), structure)
        return bytes(buffer)

    def read_table(self, offset: int, count: int, kind: str, structure: str) -> array[int]:
        """`count` unsigned integers of `array` type code `kind`, in the machine's byte order."""
        table = array(kind, [0])
        self.require(offset, count * table.itemsize, structure)
        table *= count
        if count:
            self.read_into(offset, memoryview(table).cast("B"), structure)
        return table

    def read_into(self, offset: int, view: memoryview, structure: str = "data") -> None:
        """Fill `view` from `offset` on, all of it."""
        done, length = 0, len(view)
        while done < length:
            got = self.pread(offset + done, view[done:])
            if not got:
                self.require(offset, length, structure)
                raise self._truncated(offset, length, structure, offset + done)
            done += got
        for patch in self._patches:
            _apply(patch, offset, view)

    def allocation(self, offset: int, length: int) -> Iterator[Extent]:
        """See `stored`; a patched file is data throughout."""
        if self._patches:
            return iter((Extent(offset, length, ExtentKind.DATA),))
        return self.stored(offset, length)

    def _truncated(self, offset: int, needed: int, structure: str, size: int) -> TruncatedError:
        return TruncatedError(
            file=self.name, structure=structure, offset=offset, needed=needed, size=size
        )


class LocalFile(ImageFile):
    """An open regular file or block device."""

    def __init__(self, path: Path) -> None:
        """Open `path` for reading. Raises `UnreadableError` or `NotADiskError`."""
        self.path, self.name = path, str(path)
        self._fd = -1
        try:
            # O_NONBLOCK: a FIFO must be refused below, not waited for.
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            state = os.fstat(self._fd)
            self.is_block_device = stat.S_ISBLK(state.st_mode)
            self.size = os.lseek(self._fd, 0, os.SEEK_END) if self.is_block_device else 0
        except OSError as error:
            self.close()
            raise self._unreadable(0, error) from error
        if stat.S_ISREG(state.st_mode):
            self.size = state.st_size
        elif not self.is_block_device:
            self.close()
            raise NotADiskError(file=self.name, detail="it is neither a file nor a block device")
        self.modified = int(state.st_mtime)
        self.fingerprint = f"{path.absolute()}:{self.size}:{state.st_mtime_ns}"
        self.identity = (state.st_rdev, 0) if self.is_block_device else (state.st_dev, state.st_ino)

    def fileno(self) -> int:
        """The descriptor, for calls that share blocks."""
        return self._fd

    def close(self) -> None:
        """See `ImageFile.close`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def pread(self, offset: int, view: memoryview) -> int:
        """See `ImageFile.pread`."""
        try:
            return os.preadv(self._fd, [view[:PREAD_LIMIT]], offset)
        except OSError as error:
            raise self._unreadable(offset, error) from error

    def stored(self, offset: int, length: int) -> Iterator[Extent]:
        """See `ImageFile.stored`."""
        at, end = offset, offset + length
        while at < end:
            start = min(self._seek(at, os.SEEK_DATA), end)
            if start > at:
                yield Extent(at, start - at, ExtentKind.UNALLOCATED)
            if start == end:
                return
            at = max(min(self._seek(start, os.SEEK_HOLE), end), start + 1)
            yield Extent(start, at - start, ExtentKind.DATA)

    def _seek(self, offset: int, whence: int) -> int:
        try:
            return os.lseek(self._fd, offset, whence)
        except OSError as error:
            if error.errno == errno.ENXIO:
                # Nothing but a hole follows, or the file was cut since it was opened.
                self._require_uncut()
                return self.size
            if error.errno == errno.EINVAL:
                # The file system cannot tell: everything is data.
                return offset if whence == os.SEEK_DATA else self.size
            raise self._unreadable(offset, error) from error

    def _require_uncut(self) -> None:
        size = os.fstat(self._fd).st_size
        if size < self.size and not self.is_block_device:
            raise self._truncated(0, self.size, "content", size)

    def _unreadable(self, offset: int, error: OSError) -> UnreadableError:
        detail = error.strerror or type(error).__name__
        return UnreadableError(file=self.name, offset=offset, detail=detail)


READ_AHEAD = 1 << 20
"""Bytes of compressed units that are read together: as many as one request takes."""


class ReadAhead:
    """Reads of neighbouring small pieces, such as compressed units, in one of `size` bytes.

    Each thread has a buffer of its own.
    """

    def __init__(self, file: ImageFile, size: int) -> None:
        self._file, self._size = file, size
        self._own = threading.local()

    def view(self, offset: int, length: int, structure: str) -> memoryview:
        """The bytes of a range, until this thread's next call. Raises `DiskError`."""
        self._file.require(offset, length, structure)
        if length > self._size:
            return memoryview(self._file.read(offset, length, structure))
        start, end = getattr(self._own, "range", (0, 0))
        if not start <= offset <= offset + length <= end:
            start, end = offset, min(offset + self._size, self._file.size)
            if not hasattr(self._own, "buffer"):
                self._own.buffer = memoryview(bytearray(self._size))
            self._own.range = (0, 0)
            self._file.read_into(start, self._own.buffer[: end - start], structure)
            self._own.range = (start, end)
        buffer: memoryview = self._own.buffer
        return buffer[offset - start : offset - start + length]


def zero_fill(view: memoryview) -> None:
    """Write zeros over all of `view`."""
    for start in range(0, len(view), len(ZEROS)):
        part = view[start : start + len(ZEROS)]
        part[:] = ZEROS if len(part) == len(ZEROS) else ZEROS[: len(part)]


def _apply(patch: Patch, offset: int, view: memoryview) -> None:
    start = max(patch.offset, offset)
    end = min(patch.offset + patch.length, offset + len(view))
    if start >= end:
        return
    target = view[start - offset : end - offset]
    if patch.data is None:
        zero_fill(target)
    else:
        target[:] = patch.data[start - patch.offset : end - patch.offset]
