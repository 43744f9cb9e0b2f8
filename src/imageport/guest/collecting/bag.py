"""The bag that a collection goes into: a tar archive of limited size, and what was wrong."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imageport.guest.collecting.scrub import as_utf_8, scrubbed

MIB: Final = 1 << 20
MOST: Final = 256 * MIB
"""Bytes of a whole collection."""
TEXT_KEPT: Final = 8 * MIB
"""Bytes of a text file: of a longer one, its end."""
_PIECE: Final = 64 << 10
"""What is lost where a file cannot be read: a chunk of an event log."""


@dataclass
class Bag:
    """Collects into `archive`; `room` is how many bytes more it takes."""

    archive: tarfile.TarFile
    problems: list[str] = field(default_factory=list)
    room: int = MOST
    count: int = 0

    def put(self, name: str, content: bytes, modified: float | None = None) -> bool:
        """Add a file; False, and a problem, when there is no room for it."""
        if len(content) > self.room:
            self.problems.append(f"{name} was left out: the diagnostics are full.")
            return False
        member = tarfile.TarInfo(name)
        member.size = len(content)
        member.mtime = modified or time.time()
        self.archive.addfile(member, io.BytesIO(content))
        self.room -= len(content)
        self.count += 1
        return True

    def put_file(self, name: str, place: Path, most: int) -> bool:
        """Add a file of the guest as it is; one that is larger than `most` bytes is a problem."""
        with _opened(place, self.problems, name) as file:
            if file is None:
                return False
            if file.size > most:
                shown = f"{file.size >> 20} MiB"
                self.problems.append(f"{name} was left out: it has {shown}.")
                return False
            content = file.read(0, file.size, self.problems)
        return self.put(name, content, file.modified)

    def put_text(self, name: str, place: Path, most: int = TEXT_KEPT) -> bool:
        """Add a text of the guest without secrets; of a long one, the last `most` bytes."""
        with _opened(place, self.problems, name) as file:
            if file is None:
                return False
            skipped = max(file.size - most, 0) // _PIECE * _PIECE
            content = file.read(skipped, file.size - skipped, self.problems)
            start = file.read(0, min(2, file.size), [])
        text = scrubbed(as_utf_8(content, start))
        if skipped:
            text = f"({skipped} bytes before this were left out)\n".encode() + text
        return self.put(name, text, file.modified)


class _Opened:
    """A regular file of a guest; what cannot be read of it is zeros."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self._name = descriptor, name
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(0, "it is no regular file")
        self.size, self.modified = state.st_size, state.st_mtime

    def read(self, start: int, length: int, problems: list[str]) -> bytes:
        pieces, lost = [], 0
        for offset in range(start, start + length, _PIECE):
            wanted = min(_PIECE, start + length - offset)
            try:
                piece = os.pread(self._descriptor, wanted, offset)
            except OSError:
                piece, lost = b"", lost + wanted
            pieces.append(piece.ljust(wanted, b"\0"))
        if lost:
            problems.append(f"{lost} bytes of {self._name} cannot be read: they are zeros.")
        return b"".join(pieces)


@contextmanager
def _opened(place: Path, problems: list[str], name: str) -> Iterator[_Opened | None]:
    """Open `place`, never through a link; None, and a problem, when that cannot be."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor, file = -1, None
    try:
        try:
            descriptor = os.open(place, flags)
            file = _Opened(descriptor, name)
        except OSError as error:
            problems.append(f"{name} cannot be read: {error.strerror or error}.")
        yield file
    finally:
        if descriptor >= 0:
            os.close(descriptor)
