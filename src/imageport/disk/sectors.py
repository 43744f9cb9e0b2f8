"""Bitmaps of sectors, as differencing VHD and VHDX files have them."""

from __future__ import annotations

from collections.abc import Iterator

from imageport.disk.base import SECTOR

_UNIFORM = {0x00: False, 0xFF: True}


def bit_runs(
    bitmap: bytes, start: int, end: int, *, msb_first: bool, sector: int = SECTOR
) -> Iterator[tuple[int, int, bool]]:
    """The runs of [start, end) bytes as (offset, length, bit), `sector` bytes a bit.

    `msb_first` says that the first sector is the highest bit of its byte (VHD) rather than the
    lowest one (VHDX). Runs are clipped to the range.
    """
    at, run_start, run_bit = start, start, _bit(bitmap, start // sector, msb_first)
    while at < end:
        index, within = divmod(at // sector, 8)
        uniform = _UNIFORM.get(bitmap[index])
        if uniform is None:
            bit, step = _bit(bitmap, at // sector, msb_first), sector - at % sector
        else:
            bit, step = uniform, (8 - within) * sector - at % sector
        if bit is not run_bit:
            yield run_start, at - run_start, run_bit
            run_start, run_bit = at, bit
        at += step
    if run_start < end:
        yield run_start, end - run_start, run_bit


def _bit(bitmap: bytes, number: int, msb_first: bool) -> bool:
    shift = 7 - number % 8 if msb_first else number % 8
    return bool(bitmap[number // 8] >> shift & 1)
