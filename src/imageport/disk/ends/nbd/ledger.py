"""What was written and is not yet durable: a server that was restarted may have lost it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NamedTuple

from isal import isal_zlib

from imageport.disk.base import GIB, KIB, MIB
from imageport.disk.ends.errors import PeerChecksumError
from imageport.disk.ends.nbd.disk import NbdDisk

FLUSH_EVERY = GIB
"""Bytes of data after which the server is asked to make them durable; bounds the list."""
_LEAST = 64 * KIB
"""What an entry counts for at least."""


class _Entry(NamedTuple):
    offset: int
    length: int
    checksum: int | None
    """CRC-32 of the data; None for zeros."""
    generation: int
    """How many connections had been replaced before it was sent."""


class Ledger:
    """Writes to a disk and remembers it until it is flushed.

    A reply to a write promises nothing if the server dies ("Ordering of messages and writes"), and
    a client that has reconnected cannot know whether it did. What was written before the last
    reconnect is therefore read back once it is flushed; zeros are written again.
    """

    def __init__(self, disk: NbdDisk) -> None:
        self._disk = disk
        self._entries: list[_Entry] = []
        self._bytes = 0
        self._lock, self._flushing = threading.Lock(), threading.Lock()

    def write(self, offset: int, data: memoryview) -> None:
        """Write `data`. Raises `EndError`, see `flush`."""
        generation = self._disk.peer.reconnected
        self._disk.write(offset, data)
        self._note(_Entry(offset, len(data), isal_zlib.crc32(data), generation), len(data))

    def zero(self, offset: int, length: int) -> None:
        """Make the range read as zeros. Raises `EndError`."""
        generation = self._disk.peer.reconnected
        self._disk.zero(offset, length)
        self._note(_Entry(offset, length, None, generation), 0)

    def flush(self) -> None:
        """Make durable what has been written by calls that have returned.

        Raises `PeerChecksumError` when the server does not hold what was written, and `EndError`.
        """
        with self._flushing:
            with self._lock:
                entries, self._entries = self._entries, []
            try:
                self._settle(entries)
            except BaseException:
                # Nothing of it is durable for certain: a second flush must not pass it over.
                with self._lock:
                    self._entries += entries
                raise

    def _note(self, entry: _Entry, size: int) -> None:
        with self._lock:
            self._entries.append(entry)
            self._bytes += max(size, _LEAST)
            if self._bytes < FLUSH_EVERY:
                return
            self._bytes = 0
        self.flush()

    def _settle(self, entries: list[_Entry]) -> None:
        while True:
            self._disk.flush()
            generation = self._disk.peer.reconnected
            doubtful = [entry for entry in entries if entry.generation != generation]
            if not doubtful:
                return
            for entry in doubtful:
                self._restore(entry)
            # Zeros written again are not durable yet, and there may have been another reconnect.
            entries = [entry._replace(generation=generation) for entry in entries]
            if all(entry.checksum is not None for entry in doubtful):
                return

    def _restore(self, entry: _Entry) -> None:
        if entry.checksum is None:
            self._disk.zero(entry.offset, entry.length)
            return
        checksum = 0
        for piece in self._pieces(entry):
            checksum = isal_zlib.crc32(piece, checksum)
        if checksum != entry.checksum:
            detail = "the server lost its connection and what it had accepted before"
            raise PeerChecksumError(file=self._disk.peer.name, offset=entry.offset, detail=detail)

    def _pieces(self, entry: _Entry) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(min(entry.length, MIB)))
        for done in range(0, entry.length, MIB):
            piece = buffer[: min(MIB, entry.length - done)]
            self._disk.read(entry.offset + done, piece)
            yield piece
