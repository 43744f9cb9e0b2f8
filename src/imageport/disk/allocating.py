"""Writers of formats that store blocks where there is room, behind a table."""

from __future__ import annotations

import os
import struct
import threading
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from typing import ClassVar

from imageport.disk.base import SECTOR, ZEROS
from imageport.disk.errors import UnsupportedError, UnwritableError
from imageport.disk.mapped import MAX_SIZE
from imageport.disk.target import TargetFile
from imageport.model.target import DiskFormat

_RECORD = struct.Struct("<QQ")


class Positions:
    """Where blocks lie in the file, by number; 0 for those that do not. Sparse in memory."""

    def __init__(self, page: int) -> None:
        """Keep `page` blocks together."""
        self._page = page
        self._pages: dict[int, array[int]] = {}

    def __getitem__(self, block: int) -> int:
        page = self._pages.get(block // self._page)
        return page[block % self._page] if page else 0

    def __setitem__(self, block: int, position: int) -> None:
        page = self._pages.get(block // self._page)
        if page is None:
            page = self._pages[block // self._page] = array("Q", [0]) * self._page
        page[block % self._page] = position

    def clear(self) -> None:
        """Forget every position."""
        self._pages.clear()

    def pages(self) -> Iterator[tuple[int, array[int]]]:
        """The pages that are not empty, in order, with their number."""
        for number in sorted(self._pages):
            yield number, self._pages[number]

    def items(self) -> Iterator[tuple[int, int]]:
        """The blocks that have a position, in order."""
        for number, page in self.pages():
            for index, position in enumerate(page):
                if position:
                    yield number * self._page + index, position


class AllocatingWriter(ABC):
    """A `ResumableWriter` that gives a block its place in the file when it is first written to.

    What a subclass adds is its layout: where data may begin, how far apart blocks lie, and the
    tables, which are written at the end, so that an incomplete file is no valid image. Where the
    blocks lie is kept in the target's `record` while it is to be resumed.
    """

    format: ClassVar[DiskFormat]
    zeroed: ClassVar[bool] = True
    ordered: ClassVar[bool] = False

    def __init__(self, target: TargetFile, size: int, *, block: int, page: int = 8192) -> None:
        """Create the file for a disk of `size` bytes, `block` bytes a block."""
        if not 0 < size <= self.max_size() or size % SECTOR:
            feature = f"a virtual size of {size} bytes in {self.format}"
            raise UnsupportedError(file=target.name, feature=feature)
        target.require_random_access(self.format)
        self.size = size
        self.name = target.name
        self.block = block
        self.positions = Positions(page)
        self.file = target
        target.open()
        self.stride, self.next, self._first = block, 0, 0
        self._lock = threading.Lock()
        self._unrecorded: list[tuple[int, int]] = []

    @classmethod
    def max_size(cls) -> int:
        """The largest virtual size in bytes of the format."""
        return MAX_SIZE

    @abstractmethod
    def write_tables(self) -> None:
        """Write everything but the data, and leave the file at its final length."""

    def place_blocks(self, first: int, stride: int) -> None:
        """Let data begin at `first`, blocks `stride` bytes apart; load what was written before."""
        self.stride, self.next, self._first = stride, first, first
        if not self.file.resumed:
            # The file is new and empty. One that is cut to nothing is on ext4 one that replaces
            # another: close() writes all of it to the storage ("auto_da_alloc" in ext4(5)).
            self.file.record.unlink(missing_ok=True)
            return
        self._load_record()
        # What was written behind the last recorded block must not show through in a new one.
        self.file.truncate(self.next)

    def place(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """(position in the file, length) of the pieces of a range, allocated if need be."""
        first, last = offset // self.block, (offset + length - 1) // self.block
        with self._lock:
            places = [self._allocated(block) for block in range(first, last + 1)]
        start, end = offset % self.block, offset % self.block + length
        index = 0
        while index < len(places):
            upto = index + 1
            while upto < len(places) and places[upto] == places[upto - 1] + self.block:
                upto += 1
            begin = max(start, index * self.block)
            stop = min(end, upto * self.block)
            yield places[index] + begin - index * self.block, stop - begin
            index = upto

    @property
    def workers(self) -> int:
        """See `TargetFile.workers`."""
        return self.file.workers

    def allocate(self, block: int) -> None:
        """Give the block a place, where it reads as zeros, unless it has one."""
        with self._lock:
            self._allocated(block)

    def write(self, offset: int, data: memoryview) -> None:
        """See `DiskWriter.write`."""
        done = 0
        for position, length in self.place(offset, len(data)):
            self.file.write(position, data[done : done + length])
            done += length

    def zero(self, offset: int, length: int) -> None:
        """See `DiskWriter.zero`; blocks that have no place need nothing."""
        end = offset + length
        while offset < end:
            stop = min((offset // self.block + 1) * self.block, end, offset + len(ZEROS))
            if position := self.positions[offset // self.block]:
                self.file.write(position + offset % self.block, ZEROS[: stop - offset])
            offset = stop

    def finish(self) -> None:
        """See `DiskWriter.finish`."""
        self.write_tables()
        self.file.complete()
        self.file.record.unlink(missing_ok=True)

    def abort(self) -> None:
        """See `DiskWriter.abort`."""
        self.file.discard()
        self.file.record.unlink(missing_ok=True)

    def restart(self) -> None:
        """See `ResumableWriter.restart`."""
        self.positions.clear()
        self.next = self._first
        self.file.truncate(0)
        self._unrecorded.clear()
        self.file.record.unlink(missing_ok=True)

    def sync(self) -> None:
        """See `ResumableWriter.sync`."""
        with self._lock:
            fresh, self._unrecorded = self._unrecorded, []
        self.file.sync()
        try:
            with open(self.file.record, "ab") as record:
                record.write(b"".join(_RECORD.pack(*entry) for entry in fresh))
                record.flush()
                os.fsync(record.fileno())
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise UnwritableError(file=str(self.file.record), offset=0, detail=detail) from error

    def suspend(self) -> None:
        """See `ResumableWriter.suspend`."""
        self.sync()
        self.file.close()

    def read_back(self, offset: int, view: memoryview) -> bool:
        """See `ResumableWriter.read_back`."""
        done = 0
        while done < len(view):
            at = offset + done
            position, within = self.positions[at // self.block], at % self.block
            part = view[done : done + self.block - within]
            if not position:
                part[:] = bytes(len(part))
            elif not self.file.read(position + within, part):
                return False
            done += len(part)
        return True

    def _allocated(self, block: int) -> int:
        position = self.positions[block]
        if not position:
            position = self.next
            self.next += self.stride
            self.positions[block] = position
            self._unrecorded.append((block, position))
        return position

    def _load_record(self) -> None:
        if not self.file.record.exists():
            return
        with open(self.file.record, "r+b") as record:
            sound = 0
            while len(entry := record.read(_RECORD.size)) == _RECORD.size:
                block, position = _RECORD.unpack(entry)
                # Blocks lie one behind the other: what says otherwise was cut or damaged, and
                # ends the list. The blocks behind it are not found and so not trusted.
                if block * self.block >= self.size or position != self.next:
                    break
                self.positions[block] = position
                self.next += self.stride
                sound += _RECORD.size
            record.truncate(sound)
