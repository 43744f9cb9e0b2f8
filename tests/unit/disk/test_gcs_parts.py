"""Checksums of parts, and a stream cut into parts."""

from __future__ import annotations

import random

import google_crc32c
from hypothesis import given
from hypothesis import strategies as st

from imageport.disk.ends.gcs.checksum import WholeChecksum, combine, decoded, encoded, extend
from imageport.disk.ends.gcs.parts import Part, Parts
from tests.unit.disk.builders import crc32c


def value(data: bytes) -> int:
    return int(google_crc32c.value(data))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_combined_is_that_of_both(first: bytes, second: bytes) -> None:
    assert combine(value(first), value(second), len(second)) == value(first + second)
    assert value(first) == crc32c(first)


def test_combined_over_a_long_distance() -> None:
    """Zeros are the distance: 5 GiB of them, by doubling."""
    crc, length, total = value(bytes(1 << 20)), 1 << 20, value(b"head")
    while length < 5 << 30:
        crc, length = combine(crc, crc, length), length * 2
    total = combine(total, crc, length)
    expected = value(b"head")
    block = bytes(1 << 26)
    for _ in range(0, length, len(block)):
        expected = extend(expected, block)
    assert total == expected


def test_written_as_the_service_does() -> None:
    # The polynomial's check value, most significant byte first.
    assert encoded(value(b"123456789")) == "4waSgw=="
    assert decoded("4waSgw==") == 0xE3069283
    assert decoded(None) is None


@given(st.integers(1, 400), st.integers(1, 60), st.randoms(use_true_random=False))
def test_whole_is_known_when_all_is_read(size: int, step: int, order: random.Random) -> None:
    data = random.Random(size).randbytes(size)
    whole = WholeChecksum(size)
    ranges = [(at, min(step, size - at)) for at in range(0, size, step)]
    order.shuffle(ranges)
    said = [whole.add(at, length, value(data[at : at + length])) for at, length in ranges]
    assert said[:-1] == [None] * (len(ranges) - 1)
    assert said[-1] == value(data)


def test_what_was_read_twice_counts_once() -> None:
    whole = WholeChecksum(10)
    assert whole.add(0, 5, value(b"01234")) is None
    assert whole.add(0, 5, 0) is None
    assert whole.add(3, 4, 0) is None
    assert whole.add(5, 5, value(b"56789")) == value(b"0123456789")


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 50), st.integers(0, 200))
def test_parts_are_the_stream(pieces: list[bytes], size: int, offset: int) -> None:
    parts, made = Parts(size), list[Part]()
    for piece in pieces:
        made.extend(parts.add(piece))
    if (last := parts.rest()) is not None:
        made.append(last)
    stream = b"".join(pieces)
    assert b"".join(b"".join(part.pieces) for part in made) == stream
    assert (parts.total, parts.crc) == (len(stream), value(stream))
    assert [part.offset for part in made] == list(range(0, len(stream), size))
    assert all(part.size == size for part in made[:-1])
    for part in made:
        assert part.crc == value(stream[part.offset : part.end])
        assert b"".join(part.after(offset)) == stream[max(offset, part.offset) : part.end]
