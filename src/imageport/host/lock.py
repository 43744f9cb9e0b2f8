"""Locks between processes on one computer; the kernel frees them when the holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imageport.host.errors import Busy


@contextmanager
def exclusive(path: Path, *, what: str, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path`; `what` names it for a person.

    Raises Busy when another process holds it and `wait` is false.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise Busy(what=what) from error
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock file `path` now."""
    if not path.exists():
        return False
    try:
        with exclusive(path, what=str(path)):
            return False
    except Busy:
        return True
