"""Finding a guest's files by patterns, without ever following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path


def matches(root: Path, pattern: str, problems: list[str], *, fold: bool) -> Iterator[Path]:
    r"""Regular files at `pattern` (parts with `*`, apart by `/`) below `root`, in order of names.

    With `fold`, as Windows does, in any case. What cannot be read is a problem.
    """
    wanted = pattern.casefold() if fold else pattern
    yield from _matches(root, wanted.strip("/").split("/"), problems, fold=fold)


def _matches(folder: Path, parts: list[str], problems: list[str], *, fold: bool) -> Iterator[Path]:
    for entry in _entries(folder, problems):
        name = entry.name.casefold() if fold else entry.name
        if not fnmatchcase(name, parts[0]):
            continue
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError as error:
            problems.append(f"{entry.name} cannot be read: {error.strerror or error}.")
            continue
        if len(parts) == 1 and stat.S_ISREG(mode):
            yield Path(entry.path)
        elif len(parts) > 1 and stat.S_ISDIR(mode):
            yield from _matches(Path(entry.path), parts[1:], problems, fold=fold)


def _entries(folder: Path, problems: list[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        problems.append(f"The folder {folder.name} cannot be read: {error.strerror or error}.")
        return []
