import threading
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest

from imageport.disk.ends.errors import UnreachableError
from imageport.disk.ends.retry import RetryBudget, TransientError, retry_after
from imageport.disk.errors import CopyCancelledError


def failing(times: int, after: float | None = None) -> Callable[[], str]:
    left = [times]

    def attempt() -> str:
        if left[0]:
            left[0] -= 1
            raise TransientError("503 Slow Down", after)
        return "done"

    return attempt


def test_repeats_until_it_works() -> None:
    waits: list[float] = []
    budget = RetryBudget("nbd://x", on_wait=lambda _, seconds: waits.append(seconds))
    assert budget.run(failing(2)) == "done"
    assert budget.retries == len(waits) == 2
    assert waits[0] < waits[1] <= 0.4


def test_obeys_the_peer() -> None:
    waits: list[float] = []
    budget = RetryBudget("nbd://x", on_wait=lambda _, seconds: waits.append(seconds))
    assert budget.run(failing(1, after=0.7)) == "done"
    assert waits == [0.7]


def test_gives_up_at_the_end_of_its_patience() -> None:
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="503 Slow Down") as caught:
        RetryBudget("nbd://x", patience=0.5).run(failing(99))
    assert time.monotonic() - started < 2
    assert caught.value.data["file"] == "nbd://x"


def test_a_longer_wait_than_the_patience_is_not_begun() -> None:
    started = time.monotonic()
    with pytest.raises(UnreachableError):
        RetryBudget("nbd://x", patience=5).run(failing(1, after=60))
    assert time.monotonic() - started < 1


def test_cancel_ends_a_wait() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CopyCancelledError):
        RetryBudget("nbd://x", cancel=cancel).run(failing(1, after=60))


def test_retry_after() -> None:
    assert retry_after(None) is None
    assert retry_after("7") == 7
    assert retry_after("soon") is None
    assert 50 < (retry_after(formatdate(time.time() + 60, usegmt=True)) or 0) <= 60
