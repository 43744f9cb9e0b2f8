"""Sector bitmaps against a bit-by-bit reading, and names of Windows paths."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageport.disk.sectors import bit_runs
from imageport.disk.vhdx.crc32c import crc32c
from imageport.disk.windows_paths import candidates
from tests.unit.disk import builders

BITMAPS = st.lists(st.sampled_from([0, 0xFF, 0x80, 0x01, 0x5A]), min_size=1, max_size=12)


@given(BITMAPS, st.data(), st.booleans())
def test_bit_runs(values: list[int], data: st.DataObject, msb_first: bool) -> None:
    bitmap, sector = bytes(values), 16
    size = len(bitmap) * 8 * sector
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start, size))
    expected = []
    for at in range(start, end):
        number = at // sector
        shift = 7 - number % 8 if msb_first else number % 8
        expected.append(bool(bitmap[number // 8] >> shift & 1))
    runs = list(bit_runs(bitmap, start, end, msb_first=msb_first, sector=sector))
    assert [bit for _, length, bit in runs for _ in range(length)] == expected
    assert all(one[2] != two[2] for one, two in pairwise(runs))
    assert [at for at, _, _ in runs] == [
        start + sum(length for _, length, _ in runs[:i]) for i in range(len(runs))
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([".\\base.vhd"], ["base.vhd"]),
        (["..\\up\\base.vhd"], ["../up/base.vhd", "base.vhd"]),
        (["C:\\vm\\base.vhd"], ["base.vhd"]),
        (["\\\\server\\share\\base.vhd"], ["base.vhd"]),
        (["/mnt/base.vhd", ""], ["/mnt/base.vhd", "base.vhd"]),
    ],
)
def test_candidates(names: list[str], expected: list[str]) -> None:
    assert candidates(names) == expected


def test_crc32c_of_the_standard() -> None:
    """RFC 3720 appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("zeros", [4095, 4096, 12288, 70000])
def test_crc32c_of_zeros_is_that_of_the_plain_definition(zeros: int) -> None:
    for data in (bytes(zeros), b"start" + bytes(zeros) + b"end"):
        assert crc32c(data) == builders.crc32c(data)
