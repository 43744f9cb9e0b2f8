"""Versions of Citrix's parts: which are the same, and which is newer."""

from __future__ import annotations

import pytest

from imageport.guest.windows.components import compared, same


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("2203", "7.33.5000.12", 0),
        ("7.41", "2402", 0),
        ("2402.0.100", "7.41.100", 0),
        ("7.41.100", "7.41.100.18", 0),
        ("1912", "2203", -1),
        ("7.33.5000", "7.41", -1),
        ("7.9", "7.33", -1),
        ("2402", "7.33.5000.12", 1),
        ("7.41.100", "7.41.99", 1),
        ("2411", "2407", 1),
        ("2411.0.1", "2411", 0),
        ("2407", "7.33", None),
        ("7.44", "2411", None),
        ("newest", "7.33", None),
        ("", "7.33", None),
        ("7.", "7.33", None),
    ],
)
def test_compared(one: str, other: str, expected: int | None) -> None:
    assert compared(one, other) == expected
    assert compared(other, one) == (None if expected is None else -expected)
    if expected is not None:
        assert same(one, other) is (expected == 0)
