"""Letting threads through one after the other, in the order of the ranges they bring."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from imageport.disk.errors import UnwritableError


class Turnstile:
    """Admits the range that begins where the last one ended; the others wait for their turn."""

    def __init__(self, name: str) -> None:
        """`name` is what errors call the target."""
        self.position = 0
        self._name = name
        self._closed = self._busy = False
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, start: int, end: int) -> Iterator[None]:
        """Wait for the turn of [start, end). Raises `UnwritableError` when it will never come.

        An exception inside closes the turnstile, since the next range could never follow.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.position == start)
            if self._closed:
                raise self._broken(start)
            self._busy = True
        passed = False
        try:
            yield
            passed = True
        finally:
            with self._changed:
                self._busy = False
                if passed:
                    self.position = end
                else:
                    self._closed = True
                self._changed.notify_all()

    def require_end(self, end: int) -> None:
        """Raise `UnwritableError` unless all ranges before `end` have passed."""
        if self.position != end:
            raise self._broken(self.position)

    def close(self) -> None:
        """Turn away everyone who waits and who comes; returns when nobody is inside."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy)

    def _broken(self, offset: int) -> UnwritableError:
        detail = "the stream was closed or is incomplete"
        return UnwritableError(file=self._name, offset=offset, detail=detail)
