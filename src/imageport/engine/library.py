"""What goes to the engine with a job: a folder, or an ISO image, as a tar stream."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final

from imageport.engine.errors import LibraryUnusable
from imageport.guest.windows.components import recognised
from imageport.guest.windows.driver_library import LOCK, OTHER_ARCHITECTURES
from imageport.host.iso9660 import Iso, IsoFile

_DRIVER_FILES: Final = (".inf", ".sys", ".cat", ".dll", ".exe", ".msi")
"""What Windows installs drivers from, and their vendors' own installers."""


def driver_file(path: str) -> bool:
    """Whether a file of a driver library, at `path` below its root, is of any use."""
    place = PurePosixPath(path.lower())
    if set(place.parts[:-1]).intersection(OTHER_ARCHITECTURES):
        return False
    return place.suffix in _DRIVER_FILES or place.name == LOCK


def component_file(path: str) -> bool:
    """Whether a file of a component source is an installer that a preparation may run."""
    return recognised(path) is not None


def check_library(library: Path) -> None:
    """Raises LibraryUnusable, or IsoInvalid, when there is nothing to send."""
    if not next((path for path in _paths(library) if driver_file(path)), None):
        raise LibraryUnusable(path=str(library), detail="it holds no driver")


def pack(library: Path, spool: IO[bytes], wanted: Callable[[str], bool]) -> None:
    """Write the wanted files of a folder or an ISO image to `spool`, as tar.

    Beside an image `<name>.lock` is its lock. Raises IsoInvalid, and LibraryUnusable when a file
    cannot be read.
    """
    try:
        with tarfile.open(fileobj=spool, mode="w") as archive:
            if library.is_dir():
                for path in _in_folder(library):
                    if wanted(path):
                        archive.add(library / path, arcname=path, recursive=False)
                return
            lock = library.with_name(f"{library.name}.lock")
            if lock.is_file():
                archive.add(lock, arcname=LOCK, recursive=False)
            _pack_iso(library, archive, wanted)
    except OSError as error:
        raise LibraryUnusable(path=str(library), detail=error.strerror or str(error)) from error


def _pack_iso(library: Path, archive: tarfile.TarFile, wanted: Callable[[str], bool]) -> None:
    with Iso(library) as iso:
        for file in iso.files():
            if wanted(file.path):
                member = tarfile.TarInfo(file.path)
                member.size = file.size
                archive.addfile(member, _Stream(iso, file))


class _Stream(io.RawIOBase):
    """A file of an image, read from its start to its end."""

    def __init__(self, iso: Iso, file: IsoFile) -> None:
        self._pieces = iso.read(file)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._rest = self._rest or next(self._pieces, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _paths(library: Path) -> Iterator[str]:
    if library.is_dir():
        yield from _in_folder(library)
        return
    with Iso(library) as iso:
        for file in iso.files():
            yield file.path


def _in_folder(library: Path) -> Iterator[str]:
    for path in sorted(library.rglob("*")):
        if path.is_file():
            yield path.relative_to(library).as_posix()
