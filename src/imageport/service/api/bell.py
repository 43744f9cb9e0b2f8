"""Wakes claims that wait: when a job comes in here, and when the store has one of another replica.

One job wakes one connector of its location, and whoever has claimed one wakes the next: five
hundred that wait do not all run for the first.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable

from imageport.service.errors import StoreUnavailable


class Bell:
    """Belongs to one event loop; `ring` may be called from any thread."""

    def __init__(self, look: Callable[[], set[str]], every: float) -> None:
        """`look` returns the locations that have a job; it is asked every `every` seconds."""
        self._look, self._every = look, every
        self._waiting: dict[str, deque[asyncio.Event]] = defaultdict(deque)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    async def wait(self, location: str, seconds: float) -> None:
        """Until there may be a job, or the time is over."""
        event = asyncio.Event()
        self._waiting[location].append(event)
        try:
            if not self.closed:
                await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            if not event.is_set():
                self._waiting[location].remove(event)

    def ring(self, location: str) -> None:
        """There is a job at the location."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake, location)

    def close(self) -> None:
        """Nobody waits any longer. From the loop's own thread."""
        self.closed = True
        for location in list(self._waiting):
            while self._waiting[location]:
                self._wake(location)

    async def watch(self) -> None:
        """Look again and again, while anybody waits."""
        self._loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._every)
            if not any(self._waiting.values()):
                continue
            try:
                found = await asyncio.to_thread(self._look)
            except StoreUnavailable:
                continue  # those who wait ask the store themselves in a while
            for location in found:
                self._wake(location)

    def _wake(self, location: str) -> None:
        queue = self._waiting[location]
        if queue:
            queue.popleft().set()
