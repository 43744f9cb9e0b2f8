"""Letting threads through one after the other, in the order of the ranges they bring."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turnstile:
    """Admits the range that begins where the last one ended; the others wait for their turn."""

    def __init__(self) -> None:
        self.position = 0
        self._closed = self._busy = False
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, start: int, end: int) -> Iterator[bool]:
        """Wait for the turn of [start, end). Yields False when the turnstile was closed.

        An exception inside closes it, since the next range could never follow.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.position == start)
            admitted = not self._closed
            self._busy |= admitted
        passed = False
        try:
            yield admitted
            passed = admitted
        finally:
            with self._changed:
                if admitted:
                    self._busy = False
                if passed:
                    self.position = end
                else:
                    self._closed = True
                self._changed.notify_all()

    def close(self) -> None:
        """Turn away everyone who waits and who comes; returns when nobody is inside."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy)
