"""The journal of a copy: which blocks are in the target for good, and what their hashes are."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from imageport.disk.errors import UnwritableError

_RECORD = struct.Struct("<Q32s")


class Journal:
    """A file of a header line, which says what is copied, and a record for each finished block.

    A journal of another copy, or one that is damaged, is begun anew.
    """

    def __init__(self, path: Path, header: dict[str, int | str]) -> None:
        """Open or begin the journal. Raises `UnwritableError`."""
        self.path = path
        self._line = json.dumps(header, sort_keys=True).encode() + b"\n"
        try:
            self.resumes = self._begins_alike()
            self._file = open(path, "r+b" if self.resumes else "w+b")  # noqa: SIM115  # kept open
            if not self.resumes:
                self._file.write(self._line)
                self._flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def records(self) -> Iterator[tuple[int, bytes]]:
        """(block number, leaf) of the blocks that were finished; then `add` goes on after them."""
        self._file.seek(len(self._line))
        while len(record := self._file.read(_RECORD.size)) == _RECORD.size:
            yield _RECORD.unpack(record)
        whole = (self._file.tell() - len(self._line)) // _RECORD.size
        self._file.seek(len(self._line) + whole * _RECORD.size)
        self._file.truncate()

    def add(self, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Record blocks that are durable in the target, durably."""
        try:
            self._file.write(b"".join(_RECORD.pack(*block) for block in blocks))
            self._flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Close the journal and leave it; safe to repeat."""
        self._file.close()

    def remove(self) -> None:
        """Close and delete the journal: the copy is complete."""
        self.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def _begins_alike(self) -> bool:
        try:
            with open(self.path, "rb") as file:
                return file.read(len(self._line)) == self._line
        except FileNotFoundError:
            return False

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _unwritable(self, error: OSError) -> UnwritableError:
        detail = error.strerror or type(error).__name__
        return UnwritableError(file=str(self.path), offset=0, detail=detail)
