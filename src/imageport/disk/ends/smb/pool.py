"""Handles of one file over several connections, made again when they break."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from imageport.disk.ends.errors import InUseError, UnreachableError
from imageport.disk.ends.retry import RetryBudget, TransientError
from imageport.disk.ends.smb.lane import Handle, Lane, Login
from imageport.disk.ends.smb.status import FOREIGN, IN_USE, status_of, translated

T = TypeVar("T")

_GRACE = 3.0
"""Seconds in which a file that is in use is asked for again: a process that was killed may have
held it, and the server notices a little later."""


class _InUseError(TransientError):
    """The file is open elsewhere, perhaps by a connection of ours that broke."""


class Pool:
    """Runs work on handles that `opener` opens; each thread at work has one to itself."""

    def __init__(self, login: Login, budget: RetryBudget, opener: Callable[[Lane], Handle]) -> None:
        """Nothing is opened before it is needed."""
        self._login, self._budget, self._opener = login, budget, opener
        self._name = login.location.name
        self._idle: list[Handle] = []
        self._lock = threading.Lock()
        self._broke = False
        self._since = time.monotonic()

    def run(self, work: Callable[[Handle], T], offset: int = 0) -> T:
        """The result of `work`, which may be repeated after it failed in the middle.

        `offset` is the byte that errors name. Raises `DiskError`.
        """
        try:
            return self._budget.run(lambda: self._attempt(work, offset))
        except UnreachableError as error:
            if not isinstance(error.__cause__, _InUseError):
                raise
            detail = str(error.__cause__)
            raise InUseError(file=self._name, offset=offset, detail=detail) from error

    def close(self) -> None:
        """Close the handles and their connections; safe to repeat, and more may be opened."""
        with self._lock:
            idle, self._idle = self._idle, []
        for handle in idle:
            with suppress(*FOREIGN):
                handle.lane.channel.hurry()
                handle.close()
            handle.lane.close()

    def _attempt(self, work: Callable[[Handle], T], offset: int) -> T:
        handle = self._take()
        try:
            result = work(handle)
        except FOREIGN as error:
            raised = translated(error, self._name, offset)
            if isinstance(raised, TransientError):
                self._broke = True
                handle.lane.channel.hang_up()
            else:
                self._give_back(handle)
            raise raised from error
        except BaseException:
            handle.lane.channel.hang_up()
            raise
        self._give_back(handle)
        return result

    def _take(self) -> Handle:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        lane: Lane | None = None
        try:
            lane = Lane(self._login)
            return self._opener(lane)
        except FOREIGN as error:
            _drop(lane)
            raised = translated(error, self._name, 0)
            if status_of(error) in IN_USE and self._may_be_our_own():
                raised = _InUseError("another program has the file open")
            raise raised from error
        except BaseException:
            _drop(lane)
            raise

    def _may_be_our_own(self) -> bool:
        """Whether a broken connection of ours may still hold the file at the server."""
        return self._broke or time.monotonic() - self._since < _GRACE

    def _give_back(self, handle: Handle) -> None:
        with self._lock:
            self._idle.append(handle)


def _drop(lane: Lane | None) -> None:
    if lane is not None:
        lane.close()
