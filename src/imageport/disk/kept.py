"""What a disk's work keeps beside it: manifests, and what an unfinished copy must remember."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imageport.disk.errors import UnwritableError
from imageport.host.files import PRIVATE, write_whole


def keep(path: Path, content: Iterable[bytes], mode: int = PRIVATE) -> None:
    """Write a file whole or not at all. Raises `UnwritableError`."""
    try:
        write_whole(path, content, mode)
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise UnwritableError(file=str(path), offset=0, detail=detail) from error
