"""Reads the files of an ISO image (ECMA-119, and Joliet's names), as drivers are handed out in.

Only what it takes to list and read them: Joliet's tree where there is one, otherwise the plain one
with its short names. An image that has its files in UDF alone, as Windows' own setup disc, shows a
note of one file here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from imageport.host.errors import IsoInvalid

_SECTOR: Final = 2048
_FIRST_DESCRIPTOR: Final = 16
_MOST_DESCRIPTORS: Final = 64
_PRIMARY: Final = 1
_SUPPLEMENTARY: Final = 2
_TERMINATOR: Final = 255
_JOLIET: Final = (b"%/@", b"%/C", b"%/E")
"""Escape sequences of UCS-2 levels 1 to 3 (Joliet specification)."""
_DIRECTORY: Final = 0x02
_GOES_ON: Final = 0x80
_MOST_FILES: Final = 200_000
_DEEPEST: Final = 32
_LARGEST_FOLDER: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class IsoFile:
    """A file: its path with `/`, and where its bytes lie (offset and length, in bytes)."""

    path: str
    extents: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(length for _, length in self.extents)


@dataclass(frozen=True, slots=True)
class _Record:
    name: bytes
    flags: int
    offset: int
    length: int


class Iso:
    """An open ISO image. Raises `IsoInvalid` on anything that is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._size = path.stat().st_size
        self._joliet = False
        try:
            self._block, self._root = self._tree()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def files(self) -> Iterator[IsoFile]:
        """Every file, folder by folder."""
        waiting = [("", self._root, 0)]
        seen = {self._root.offset}
        count = 0
        while waiting:
            where, folder, depth = waiting.pop()
            for record, extents in self._entries(folder):
                path = f"{where}{self._name(record.name)}"
                count += 1
                if count > _MOST_FILES or depth > _DEEPEST:
                    raise self._invalid("it has too many files, or folders in folders")
                if not record.flags & _DIRECTORY:
                    yield IsoFile(path, extents)
                elif record.offset not in seen:
                    seen.add(record.offset)
                    waiting.append((f"{path}/", record, depth + 1))

    def read(self, file: IsoFile) -> Iterator[bytes]:
        """The file's bytes, in pieces of at most 1 MiB."""
        for offset, length in file.extents:
            done = 0
            while done < length:
                piece = self._bytes(offset + done, min(length - done, 1 << 20))
                done += len(piece)
                yield piece

    def _tree(self) -> tuple[int, _Record]:
        """Block size and root folder of the best tree."""
        chosen = b""
        for number in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + _MOST_DESCRIPTORS):
            if (number + 1) * _SECTOR > self._size:
                break
            block = self._bytes(number * _SECTOR, _SECTOR)
            if block[1:6] != b"CD001" or block[0] == _TERMINATOR:
                break
            if block[0] == _PRIMARY and not chosen:
                chosen = block
            if block[0] == _SUPPLEMENTARY and block[88:91] in _JOLIET:
                chosen, self._joliet = block, True
        if not chosen:
            raise self._invalid("it has no volume descriptor")
        size = struct.unpack_from("<H", chosen, 128)[0]
        if size not in (512, 1024, 2048):
            raise self._invalid(f"its blocks have {size} bytes")
        return size, self._record(chosen[156:190], size)

    def _entries(self, folder: _Record) -> Iterator[tuple[_Record, tuple[tuple[int, int], ...]]]:
        """The records of a folder, each with all its extents."""
        if folder.length > _LARGEST_FOLDER:
            raise self._invalid("one of its folders is too large")
        content = self._bytes(folder.offset, folder.length)
        at = 0
        extents: list[tuple[int, int]] = []
        while at < len(content):
            length = content[at]
            if length == 0:  # the rest of a sector that no record fits into
                at = (at // _SECTOR + 1) * _SECTOR
                continue
            record = self._record(content[at : at + length], self._block)
            at += length
            if record.name in (b"\0", b"\1"):  # the folder itself, and the one above
                continue
            extents.append((record.offset, record.length))
            if not record.flags & _GOES_ON:
                yield replace(record, length=extents[0][1]), tuple(extents)
                extents = []

    def _record(self, raw: bytes, block: int) -> _Record:
        if len(raw) < 34 or raw[32] > len(raw) - 33:
            raise self._invalid("one of its folders is damaged")
        start, length = struct.unpack_from("<I", raw, 2)[0], struct.unpack_from("<I", raw, 10)[0]
        if raw[26] or raw[27]:
            raise self._invalid("its files are interleaved")
        offset = (start + raw[1]) * block
        if offset + length > self._size:
            raise self._invalid("it is cut short")
        return _Record(raw[33 : 33 + raw[32]], raw[25], offset, length)

    def _name(self, raw: bytes) -> str:
        """Without the version number; a name that would lead elsewhere is refused."""
        text = raw.decode("utf-16-be" if self._joliet else "latin-1", errors="replace")
        name = text.partition(";")[0].rstrip(".")
        if not name or name == ".." or {"/", "\\", "\0"}.intersection(name):
            raise self._invalid(f"one of its names is {text!r}")
        return name

    def _bytes(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        read = self._file.read(length)
        if len(read) < length:
            raise self._invalid("it is cut short")
        return read

    def _invalid(self, detail: str) -> IsoInvalid:
        return IsoInvalid(path=str(self._path), detail=detail)
