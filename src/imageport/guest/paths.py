"""Paths inside a guest: case folded for Windows, links kept inside the root for Linux."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MAX_LINKS: Final = 40


def folded(root: Path, path: str) -> Path | None:
    """The file at a Windows path below `root`, in whatever case it is stored; None if absent."""
    place = root
    for part in _parts(path):
        found = _entry(place, part)
        if found is None:
            return None
        place = found
    return place


def folded_new(root: Path, path: str) -> Path:
    """Where a Windows path is or would be created: parts that exist keep their stored case."""
    place = root
    for part in _parts(path):
        place = _entry(place, part) or place / part
    return place


def inside(root: Path, path: str) -> Path:
    """Where a Linux path lies, its links followed as a chroot would: never out of `root`.

    The last part need not exist. Raises `OSError` (ELOOP) for a circle of links.
    """
    place = root
    waiting = list(reversed(Path(path).parts))
    links = 0
    while waiting:
        part = waiting.pop()
        if part in ("/", "."):
            continue
        if part == "..":
            place = place.parent if place != root else root
            continue
        if (place / part).is_symlink():
            links += 1
            if links > _MAX_LINKS:
                raise OSError(40, "Too many levels of symbolic links", path)
            target = (place / part).readlink()
            place = root if target.is_absolute() else place
            waiting.extend(reversed(target.parts))
            continue
        place = place / part
    return place


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("/", "\\").split("\\") if part]


def _entry(folder: Path, name: str) -> Path | None:
    exact = folder / name
    if exact.exists():
        return exact
    if not folder.is_dir():
        return None
    wanted = name.casefold()
    return next((each for each in folder.iterdir() if each.name.casefold() == wanted), None)
