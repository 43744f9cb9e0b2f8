"""CRC-32C (Castagnoli) of parts and of what they make together, which Cloud Storage keeps.

Cloud Storage has the CRC-32C of every object, composed ones included, as four bytes in base64, the
most significant first (Cloud Storage, "Data validation and change detection").
"""

from __future__ import annotations

import base64
import threading
from functools import lru_cache

import google_crc32c

_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, reflected: bit 31 is the coefficient of x^0 (RFC 3720, appendix B.4)."""
_ONE, _X = 1 << 31, 1 << 30
_MAX_RUNS = 4096


def extend(crc: int, data: bytes) -> int:
    """The CRC-32C of what has `crc`, followed by `data`."""
    result: int = google_crc32c.extend(crc, data)
    return result


def combine(first: int, second: int, second_length: int) -> int:
    """The CRC-32C of two parts, one after the other; only the second's length in bytes counts."""
    return _multiply(_shift(second_length), first) ^ second


def encoded(crc: int) -> str:
    """A CRC as Cloud Storage writes it."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def decoded(text: str | None) -> int | None:
    """The CRC in Cloud Storage's writing; None when there is none."""
    return int.from_bytes(base64.b64decode(text), "big") if text else None


def _multiply(a: int, b: int) -> int:
    """The product of two polynomials over GF(2), modulo Castagnoli's."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def _squares() -> tuple[int, ...]:
    """x^(2^k) for k from 0 on."""
    powers = [_X]
    while len(powers) < 64:
        powers.append(_multiply(powers[-1], powers[-1]))
    return tuple(powers)


_SQUARES = _squares()


@lru_cache(maxsize=256)
def _shift(length: int) -> int:
    """x^(8 * length): what a CRC is multiplied with when `length` bytes follow."""
    factor, bits, k = _ONE, length * 8, 0
    while bits:
        if bits & 1:
            factor = _multiply(_SQUARES[k], factor)
        bits >>= 1
        k += 1
    return factor


class WholeChecksum:
    """The CRC of a whole file whose ranges are read in any order, by any thread.

    A range that overlaps what is known already is left out, so that a file that is read in
    overlapping pieces may never become complete; then nothing is said about it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._runs: dict[int, tuple[int, int]] = {}
        """(end, crc) of the runs that are known, by their start."""
        self._starts: dict[int, int] = {}
        """The start of a run by its end."""
        self._lock = threading.Lock()

    def add(self, offset: int, length: int, crc: int) -> int | None:
        """Add a range; the CRC of the whole file when this range was the last."""
        with self._lock:
            if len(self._runs) > _MAX_RUNS or self._overlaps(offset, offset + length):
                return None
            start, end = offset, offset + length
            if end in self._runs:
                last, after = self._runs.pop(end)
                crc = combine(crc, after, last - end)
                end = last
            if start in self._starts:
                first = self._starts[start]
                _, before = self._runs.pop(first)
                del self._starts[start]
                crc = combine(before, crc, end - start)
                start = first
            self._runs[start] = (end, crc)
            self._starts[end] = start
            return crc if (start, end) == (0, self._size) else None

    def _overlaps(self, start: int, end: int) -> bool:
        return any(first < end and start < last for first, (last, _) in self._runs.items())
