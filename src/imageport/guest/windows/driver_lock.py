"""Pins a driver library: which files were taken from it, by hash, and whether they may be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from imageport.guest.errors import DriverLockError
from imageport.guest.windows.driver_library import LOCK
from imageport.model.guest import LibraryFile

_HASH_LENGTH: Final = 64


def described(library: str, files: Iterable[Path]) -> tuple[LibraryFile, ...]:
    """Path below the library, size and SHA-256 of each of `files`, each once, by path."""
    root = Path(library)
    listed = (_described(path.relative_to(root).as_posix(), path) for path in sorted(set(files)))
    return tuple(listed)


def unpinned(library: str, files: Iterable[Path]) -> tuple[str, ...]:
    """Of `files`, those that the library's lock does not list as they are; none without a lock.

    Raises `DriverLockError` when the lock is not of sha256sum's format.
    """
    place = Path(library) / LOCK
    if not place.is_file():
        return ()
    pinned = dict(_lines(place.read_text(encoding="utf-8", errors="replace")))
    return tuple(
        each.path
        for each in described(library, files)
        if pinned.get(each.path.casefold()) != each.sha256
    )


def _described(name: str, path: Path) -> LibraryFile:
    status = path.stat()
    return LibraryFile(name, status.st_size, _hashed(path, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=1024)
def _hashed(path: Path, changed: int, size: int) -> str:
    del changed, size
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Path (in lower case, as Windows compares names) and hash of each line."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        value, _, name = line.strip().partition(" ")
        path = name.lstrip(" *").replace("\\", "/").removeprefix("./")
        if len(value) != _HASH_LENGTH or not path:
            raise DriverLockError(lock=LOCK, line=number)
        yield path.casefold(), value.lower()
