"""Small files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PRIVATE = 0o600
"""For the owner's eyes alone."""


def write_whole(path: Path, content: Iterable[bytes], mode: int = PRIVATE) -> None:
    """Write a file, durably, and give it its name at the end: what had the name is replaced.

    A process that is killed leaves no more than NAME.partial, which the next one takes. Raises
    OSError.
    """
    partial = path.with_name(path.name + ".partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(partial, flags, mode), "wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
