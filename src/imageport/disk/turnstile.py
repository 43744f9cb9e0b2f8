"""Letting threads through one after the other, in the order of the ranges they bring."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turnstile:
    """Admits the range that begins where the last one ended; the others wait for their turn."""

    def __init__(self) -> None:
        self.position = 0
        self._closed = False
        self._turn = threading.Condition()

    @contextmanager
    def turn(self, start: int, end: int) -> Iterator[bool]:
        """Wait for the turn of [start, end). Yields False when the turnstile was closed.

        An exception inside closes it, since the next range could never follow.
        """
        with self._turn:
            self._turn.wait_for(lambda: self._closed or self.position == start)
            admitted = not self._closed
        try:
            yield admitted
        except BaseException:
            self.close()
            raise
        if admitted:
            with self._turn:
                self.position = end
                self._turn.notify_all()

    def close(self) -> None:
        """Turn away everyone who waits and who comes."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
