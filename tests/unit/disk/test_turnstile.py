"""The turnstile: order, and what happens to those who wait when one fails."""

from __future__ import annotations

import random
import threading
import time

import pytest

from imageport.disk.errors import UnwritableError
from imageport.disk.turnstile import Turnstile


@pytest.mark.timeout(20)
def test_order_of_ranges_not_of_arrival() -> None:
    turnstile, seen = Turnstile("out"), list[int]()

    def pass_through(number: int) -> None:
        with turnstile.turn(number, number + 1):
            seen.append(number)

    threads = [threading.Thread(target=pass_through, args=(number,)) for number in range(20)]
    random.Random(1).shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == list(range(20))
    assert turnstile.position == 20
    turnstile.require_end(20)
    with pytest.raises(UnwritableError) as caught:
        turnstile.require_end(21)
    assert caught.value.data["offset"] == 20


@pytest.mark.timeout(20)
def test_failure_turns_the_others_away() -> None:
    turnstile, turned_away = Turnstile("out"), list[int]()

    def wait() -> None:
        try:
            with turnstile.turn(5, 6):
                raise AssertionError("it was let through")
        except UnwritableError as error:
            turned_away.append(error.data["offset"])

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(ValueError, match="inside"), turnstile.turn(0, 5):
        raise ValueError("inside")
    thread.join()
    assert turned_away == [5]
    assert turnstile.position == 0


@pytest.mark.timeout(20)
def test_close_waits_for_the_one_inside() -> None:
    turnstile, inside, left = Turnstile("out"), threading.Event(), list[float]()

    def linger() -> None:
        with turnstile.turn(0, 1):
            inside.set()
            time.sleep(0.1)
            left.append(time.monotonic())

    thread = threading.Thread(target=linger)
    thread.start()
    inside.wait()
    turnstile.close()
    assert left
    assert left[0] <= time.monotonic()
    thread.join()
