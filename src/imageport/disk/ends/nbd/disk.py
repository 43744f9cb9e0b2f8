"""An export as bytes at any offset, whatever blocks its server insists on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

from imageport.disk.base import GIB, MIB, ZEROS, Extent, ExtentKind, merged
from imageport.disk.ends.nbd.connection import Request
from imageport.disk.ends.nbd.peer import NbdPeer, NotFastError
from imageport.disk.ends.nbd.protocol import (
    STATE_HOLE,
    STATE_ZERO,
    Command,
    CommandFlag,
    Flag,
)

_STATUS_SPAN = 4 * GIB - MIB
"""Bytes that are asked about at once: the most that a request can name, in whole blocks."""


class NbdDisk:
    """Reads, writes and zeroes ranges; offsets and lengths in bytes. Methods raise `EndError`."""

    def __init__(self, peer: NbdPeer, *, allocate: bool = False) -> None:
        """With `allocate`, zeros take room at the server, so that later writes find it."""
        self.peer, self.size = peer, peer.export.size
        self._unit, self._most = peer.export.minimum, peer.export.maximum
        self._most -= self._most % max(self._unit, 512)
        self._no_hole = CommandFlag.NO_HOLE if allocate else CommandFlag.NONE
        self._fast = peer.export.has(Flag.SEND_FAST_ZERO)
        self._edges = threading.Lock()

    def read(self, offset: int, view: memoryview) -> None:
        """Fill `view`, which lies within the disk."""
        for start, end in self._parts(offset, len(view)):
            part = view[start - offset : end - offset]
            if not self._is_aligned(start, end):
                block, skip = self._block(start)
                part[:] = block[skip : skip + len(part)]
                continue
            for at in range(start, end, self._most):
                piece = part[at - start : at - start + self._most]
                self.peer.carry_out(Request(Command.READ, at, len(piece), into=piece))

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of `data`."""
        for start, end in self._parts(offset, len(data)):
            part = data[start - offset : end - offset]
            if not self._is_aligned(start, end):
                self._write_edge(start, part)
                continue
            for at in range(start, end, self._most):
                piece = part[at - start : at - start + self._most]
                self.peer.carry_out(Request(Command.WRITE, at, len(piece), payload=piece))

    def zero(self, offset: int, length: int) -> None:
        """Make the range read as zeros, by the server's own means where it has any."""
        for start, end in self._parts(offset, length):
            if not self._is_aligned(start, end):
                self._write_edge(start, memoryview(ZEROS)[: end - start])
            elif self.peer.export.has(Flag.SEND_WRITE_ZEROES):
                self._write_zeroes(start, end)
            else:
                for at in range(start, end, len(ZEROS)):
                    self.write(at, memoryview(ZEROS)[: end - at])

    def flush(self) -> None:
        """Make durable whatever `write` and `zero` have done."""
        if self.peer.export.has(Flag.SEND_FLUSH):
            self.peer.carry_out(Request(Command.FLUSH))

    def extents(self) -> Iterator[Extent]:
        """The whole disk in order; all of it is data where the server does not tell."""
        if self.peer.export.context is None:
            return iter((Extent(0, self.size, ExtentKind.DATA),))
        return merged(self._reported())

    def discard(self) -> None:
        """Let the server forget the content, as far as it does so willingly and at once."""
        flags = self.peer.export
        for at in range(0, self.size, GIB):
            length = min(GIB, self.size - at)
            fast = Request(Command.WRITE_ZEROES, at, length, CommandFlag.FAST_ZERO)
            if self._fast and self.peer.attempt_once(fast):
                continue
            trim = Request(Command.TRIM, at, length)
            if not flags.has(Flag.SEND_TRIM) or not self.peer.attempt_once(trim):
                return

    def _write_zeroes(self, start: int, end: int) -> None:
        at = start
        while at < end:
            # What is not fast must not be so long that the connection seems dead meanwhile.
            length = min(GIB if self._fast else self._most, end - at)
            flags = self._no_hole | (CommandFlag.FAST_ZERO if self._fast else CommandFlag.NONE)
            try:
                self.peer.carry_out(Request(Command.WRITE_ZEROES, at, length, flags))
            except NotFastError:
                if not flags & CommandFlag.FAST_ZERO:
                    raise
                self._fast = False
                continue
            at += length

    def _reported(self) -> Iterator[Extent]:
        at = 0
        while at < self.size:
            length = min(_STATUS_SPAN, self.size - at)
            for told, flags in self.peer.carry_out(Request(Command.BLOCK_STATUS, at, length)):
                size = min(told, self.size - at)
                yield Extent(at, size, _kind(flags))
                at += size

    def _parts(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """(start, end) of the pieces of a range: a block's end, whole blocks, a block's start."""
        end = offset + length
        first, last = -(-offset // self._unit) * self._unit, end // self._unit * self._unit
        cuts = [offset, first, last, end] if first <= last else [offset, end]
        for start, stop in itertools.pairwise(cuts):
            if start < stop:
                yield start, stop

    def _is_aligned(self, start: int, end: int) -> bool:
        return not start % self._unit and not end % self._unit

    def _block(self, at: int) -> tuple[memoryview, int]:
        """The block that byte `at` lies in, and where in it."""
        block, skip = memoryview(bytearray(self._unit)), at % self._unit
        request = Request(Command.READ, at - skip, self._unit, into=block)
        self.peer.carry_out(request)
        return block, skip

    def _write_edge(self, at: int, part: memoryview) -> None:
        # The rest of the block may be another thread's.
        with self._edges:
            block, skip = self._block(at)
            block[skip : skip + len(part)] = part
            request = Request(Command.WRITE, at - skip, self._unit, payload=block)
            self.peer.carry_out(request)


def _kind(flags: int) -> ExtentKind:
    """What `base:allocation` says; a hole that is not said to be zeros may hold anything."""
    if not flags & STATE_ZERO:
        return ExtentKind.DATA
    return ExtentKind.UNALLOCATED if flags & STATE_HOLE else ExtentKind.ZERO
