"""An initramfs as a file: its segments, what they hold, and adding a segment to it.

The kernel unpacks a concatenation of cpio archives, each plain or compressed, later files winning
(buffer-format.rst of the Linux sources). So drivers are added as one more archive at the end,
which takes a second where rebuilding takes a minute under emulation.
"""

from __future__ import annotations

import bz2
import lzma
import mmap
import os
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.errors import UnreadableInitramfsError
from imageport.guest.linux import cpio, selinux
from imageport.guest.linux.modules import module_name

_CHUNK: Final = 1 << 20
_COMPRESSIONS: Final = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"\x02\x21\x4c\x18": "lz4",
    b"BZh": "bzip2",
    b"\x5d\x00\x00": "lzma",
    b"\x89LZO": "lzo",
}
_EXTERNAL: Final = {"zstd": ("zstd", "-dcq"), "lz4": ("lz4", "-dcq"), "lzo": ("lzop", "-dcq")}
ENDLESS: Final = ("lz4", "lzo")
"""Forms whose end the kernel takes from the file's: nothing can be added behind them."""

Visit = Callable[[cpio.Member, Callable[[], bytes]], None]


@dataclass(frozen=True, slots=True)
class Contents:
    """What an initramfs holds."""

    paths: frozenset[str]
    compression: str
    """Of its main archive; `none` for a plain one."""

    @property
    def modules(self) -> frozenset[str]:
        """The names of the kernel modules in it, with `_` for `-`."""
        return frozenset(name for name in map(module_name, self.paths) if name)


def read(path: Path, visit: Visit | None = None) -> Contents:
    """List the initramfs `path`; `visit` sees each member as in `cpio.walk`.

    Raises `UnreadableInitramfsError`.
    """
    paths: set[str] = set()
    compression = "none"

    def member(found: cpio.Member, content: Callable[[], bytes]) -> None:
        paths.add(found.path)
        if visit:
            visit(found, content)

    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            position = _skip_zeros(data, 0)
            while position < len(data):
                form = _form(data, position)
                if form == "none":
                    position += cpio.walk(_Plain(data, position), member)
                else:
                    compression = form
                    position = _unpack(data, position, form, member)
                position = _skip_zeros(data, position)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError, struct.error) as wrong:
        raise UnreadableInitramfsError(path=str(path), detail=str(wrong)) from wrong
    return Contents(frozenset(paths), compression)


def append(path: Path, archive: bytes) -> None:
    """Replace the initramfs by itself and `archive` behind it, atomically.

    A plain archive must begin at a multiple of four bytes; zeros between archives are skipped.
    """
    status = path.stat()
    written = path.with_name(f"{path.name}.imageport")
    try:
        with path.open("rb") as old, written.open("wb") as new:
            left = status.st_size
            while left > 0:
                left -= os.sendfile(new.fileno(), old.fileno(), None, left)
            new.write(b"\0" * (-status.st_size % 4) + archive)
            new.flush()
            os.fchmod(new.fileno(), status.st_mode & 0o7777)
            selinux.set_label(written, selinux.label_of(path))
            os.fsync(new.fileno())
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def _skip_zeros(data: mmap.mmap, position: int) -> int:
    while position < len(data):
        block = data[position : position + _CHUNK]
        rest = block.lstrip(b"\0")
        if rest:
            return position + len(block) - len(rest)
        position += len(block)
    return position


def _form(data: mmap.mmap, position: int) -> str:
    start = data[position : position + 6]
    if start in cpio.MAGICS:
        return "none"
    for magic, name in _COMPRESSIONS.items():
        if start.startswith(magic):
            return name
    raise ValueError(f"no archive at byte {position}")


class _Plain:
    """A plain archive inside the file."""

    def __init__(self, data: mmap.mmap, position: int) -> None:
        self._data, self._at = data, position

    def read(self, size: int, /) -> bytes:
        got = self._data[self._at : self._at + size]
        self._at += len(got)
        return got


def _unpack(data: mmap.mmap, position: int, form: str, visit: Visit) -> int:
    """Walk the compressed archives at `position`; return where what follows them begins."""
    if form in _EXTERNAL:
        end = _zstd_end(data, position) if form == "zstd" else len(data)
        with _External(_EXTERNAL[form], data, position, end) as stream:
            _walk_all(stream, visit)
        return end
    inflated = _Inflated(data, position, form)
    _walk_all(inflated, visit)
    return inflated.end


def _walk_all(stream: _Buffered, visit: Visit) -> None:
    """A compressed segment may itself be several archives with zeros between."""
    while stream.more():
        cpio.walk(stream, visit)


class _Buffered:
    """A stream over chunks that `_next` gives, empty at the end."""

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0

    def _next(self) -> bytes:
        raise NotImplementedError

    def read(self, size: int, /) -> bytes:
        while len(self._buffer) - self._at < size:
            chunk = self._next()
            if not chunk:
                break
            self._buffer = self._buffer[self._at :] + chunk
            self._at = 0
        got = self._buffer[self._at : self._at + size]
        self._at += len(got)
        return got

    def more(self) -> bool:
        """Skip zeros; true when something else follows."""
        while True:
            if self._at >= len(self._buffer):
                self._buffer, self._at = self._next(), 0
                if not self._buffer:
                    return False
            while self._at < len(self._buffer) and self._buffer[self._at] == 0:
                self._at += 1
            if self._at < len(self._buffer):
                return True


class _Inflated(_Buffered):
    """gzip, xz, lzma or bzip2, by the standard library."""

    def __init__(self, data: mmap.mmap, position: int, form: str) -> None:
        super().__init__()
        self._data, self.end = data, position
        self._engine: zlib._Decompress | lzma.LZMADecompressor | bz2.BZ2Decompressor
        if form == "gzip":
            self._engine = zlib.decompressobj(31)
        elif form == "bzip2":
            self._engine = bz2.BZ2Decompressor()
        else:
            self._engine = lzma.LZMADecompressor()

    def _next(self) -> bytes:
        out = b""
        while not out and not self._engine.eof:
            chunk = self._data[self.end : self.end + _CHUNK]
            if not chunk:
                raise ValueError("the compressed archive is cut short")
            out = self._engine.decompress(chunk)
            self.end += len(chunk) - len(self._engine.unused_data)
        return out


class _External(_Buffered):
    """A decompressor run as a program, fed by a thread."""

    def __init__(self, argv: tuple[str, ...], data: mmap.mmap, start: int, end: int) -> None:
        super().__init__()
        self._data, self._start, self._end = data, start, end
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe)
        self._feeder = threading.Thread(target=self._feed)

    def __enter__(self) -> _External:
        self._feeder.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._process.stdout and self._process.stderr  # noqa: S101 - made with pipes
        self._process.stdout.close()
        self._feeder.join()
        said = self._process.stderr.read().decode(errors="replace").strip()
        self._process.stderr.close()
        if self._process.wait() and kind is None:
            raise ValueError(said or "its decompressor failed")

    def _feed(self) -> None:
        assert self._process.stdin  # noqa: S101 - made with a pipe
        try:
            for at in range(self._start, self._end, _CHUNK):
                self._process.stdin.write(self._data[at : min(at + _CHUNK, self._end)])
            self._process.stdin.close()
        except BrokenPipeError:
            return  # the decompressor has ended early and says why

    def _next(self) -> bytes:
        assert self._process.stdout  # noqa: S101 - made with a pipe
        return self._process.stdout.read(_CHUNK)


def _zstd_end(data: mmap.mmap, position: int) -> int:
    """Where the zstd frames at `position` end (RFC 8878, sections 3.1.1 and 3.1.2)."""
    while True:
        magic = data[position : position + 4]
        if magic == b"\x28\xb5\x2f\xfd":
            position = _zstd_frame_end(data, position)
        elif len(magic) == 4 and magic[1:] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F:
            position += 8 + int(struct.unpack_from("<I", data, position + 4)[0])
        else:
            return position


def _zstd_frame_end(data: mmap.mmap, position: int) -> int:
    descriptor = data[position + 4]
    single_segment, has_checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    content = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    position += 5 + (0 if single_segment else 1) + dictionary + content
    last = False
    while not last:
        header = int.from_bytes(data[position : position + 3], "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        position += 3 + (1 if kind == 1 else size)
        if position > len(data):
            raise ValueError("the zstd frame is cut short")
    return position + (4 if has_checksum else 0)
