"""Several threads that draw tasks from one iterator; memory is bounded by their buffers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


def default_workers() -> int:
    """How many threads move and hash data: more than four only fight for memory bandwidth."""
    return max(1, min(4, os.cpu_count() or 1))


@runtime_checkable
class Waits(Protocol):
    """A disk that wishes for a number of threads: behind a network, they hide its latency."""

    @property
    def workers(self) -> int:
        """Threads; 1 for no wish."""


def workers_for(*disks: object) -> int:
    """How many threads to move data between `disks` with."""
    wishes = (disk.workers for disk in disks if isinstance(disk, Waits))
    return max(default_workers(), *wishes)


class _SharedTasks(Generic[T]):
    """An iterator that several threads may draw from, until it ends or is closed."""

    def __init__(self, tasks: Iterable[T]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()
        self._open = True

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._lock:
                if not self._open:
                    return
                try:
                    task = next(self._tasks)
                except StopIteration:
                    return
            yield task

    def close(self) -> None:
        """Give out no more tasks."""
        self._open = False


def run_parallel(
    tasks: Iterable[T],
    start_worker: Callable[[], Callable[[T], None]],
    workers: int,
    *,
    on_error: Callable[[], None] = lambda: None,
) -> None:
    """Run every task on one of `workers` threads.

    `start_worker` is called once in each thread and returns what does a task there, so that each
    thread has its own buffers. The first exception stops the others after their task at hand and
    is raised here; so does an exception that reaches the caller's thread meanwhile. `on_error` is
    called at once in the thread that failed, to wake others that wait for it.
    """
    shared = _SharedTasks(tasks)
    errors: list[BaseException] = []

    def drain() -> None:
        try:
            work = start_worker()
            for task in shared:
                work(task)
        except BaseException as error:
            errors.append(error)
            on_error()
            raise
        finally:
            # After the last task nothing is left to withhold; after an error everything is.
            shared.close()

    with ThreadPoolExecutor(workers, thread_name_prefix="disk") as pool:
        try:
            wait([pool.submit(drain) for _ in range(workers)])
        finally:
            shared.close()
    if errors:
        # The first in time: those that follow are often no more than its consequences.
        raise errors[0]
