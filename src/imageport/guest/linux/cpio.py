"""cpio archives of the `newc` form, as the kernel unpacks them (Documentation/driver-api/
early-userspace/buffer-format.rst of the Linux sources)."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

HEADER_SIZE: Final = 110
MAGICS: Final = (b"070701", b"070702")
TRAILER: Final = "TRAILER!!!"


class Stream(Protocol):
    """Bytes in order; `read` returns fewer than asked only at the end."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive: its path without a leading `./`, its mode and size in bytes."""

    path: str
    mode: int
    size: int

    @property
    def is_file(self) -> bool:
        """True for a regular file."""
        return stat.S_ISREG(self.mode)


def walk(stream: Stream, visit: Callable[[Member, Callable[[], bytes]], None]) -> int:
    """Call `visit(member, content)` for each member up to the trailer; return the bytes read.

    `content()` gives the member's bytes and may be called or not. Raises `ValueError` when the
    stream is no archive.
    """
    position = 0
    while True:
        header = stream.read(HEADER_SIZE)
        if len(header) < HEADER_SIZE or header[:6] not in MAGICS:
            raise ValueError(f"no cpio header at byte {position}")
        fields = [int(header[at : at + 8], 16) for at in range(6, HEADER_SIZE, 8)]
        name_size = _padded(HEADER_SIZE + fields[11]) - HEADER_SIZE
        name = stream.read(name_size)[: fields[11] - 1].decode(errors="surrogateescape")
        size = fields[6]
        position += HEADER_SIZE + name_size
        body = _Body(stream, size)
        if name != TRAILER:
            visit(Member(name.removeprefix("./"), fields[1], size), body.content)
        body.skip()
        position += _padded(size)
        if name == TRAILER:
            return position


class _Body:
    """A member's bytes, of which the stream must be past the last before the next header."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream, self._size = stream, size
        self._left = _padded(size)

    def content(self) -> bytes:
        data = self._stream.read(self._left)
        self._left = 0
        return data[: self._size]

    def skip(self) -> None:
        while self._left > 0:
            got = len(self._stream.read(min(self._left, 1 << 20)))
            if got == 0:
                raise ValueError("the archive ends inside a member")
            self._left -= got


def archive(members: Iterable[tuple[str, int, bytes]]) -> bytes:
    """An archive of (path, mode, content), owned by root, with times of zero."""
    parts = [_member(path, mode, data, ino) for ino, (path, mode, data) in enumerate(members, 1)]
    return b"".join((*parts, _member(TRAILER, 0, b"", 0)))


def _member(path: str, mode: int, data: bytes, ino: int) -> bytes:
    name = path.encode(errors="surrogateescape") + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (ino, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    padded_name = (header + name).ljust(_padded(len(header) + len(name)), b"\0")
    return padded_name + data.ljust(_padded(len(data)), b"\0")


def _padded(size: int) -> int:
    return (size + 3) & ~3
