"""Build once, keep by content: images, trees and downloads under `$IMAGEPORT_HOME/cache/lab`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

SOURCES: Final = Path(__file__).resolve().parents[2]
"""The checkout's root: below it lie the sources that a build depends on."""
GRUB_SOURCE: Final = SOURCES / "src/imageport/engine/image/grub.py"
"""What puts GRUB into a guest's disk."""


def cache_home() -> Path:
    """`$IMAGEPORT_HOME/cache/lab`; without the variable, the XDG data directory's `imageport`."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    home = Path(os.environ.get("IMAGEPORT_HOME") or Path(data) / "imageport")
    return home / "cache/lab"


def digest(inputs: Mapping[str, Any], sources: Iterable[Path]) -> str:
    """16 hex digits that change with any of `inputs` (JSON-friendly) or any file of `sources`."""
    hashed = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode())
    for source in sorted(sources):
        hashed.update(f"\0{source.relative_to(SOURCES)}\0".encode())
        hashed.update(source.read_bytes())
    return hashed.hexdigest()[:16]


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """The file or directory `name` of the cache; `build(path)` makes it when it is not there.

    Builders of one name wait for each other, in whatever process they run; the name appears only
    when it is complete. `build` works inside a scratch directory that is removed afterwards.
    """
    place = cache_home() / name
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place.with_name(f".{place.name}.lock")):
        if not place.exists():
            with scratch() as directory:
                made = directory / place.name
                build(made)
                made.rename(place)
    return place


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory on the cache's own file system (so that a rename is atomic), removed at the end.

    Its files may be many: it is no place for what has to be found after a crash.
    """
    home = cache_home()
    home.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=".build-", dir=home))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
