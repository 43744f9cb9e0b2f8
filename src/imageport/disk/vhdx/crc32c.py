"""CRC-32C (Castagnoli, RFC 3720 appendix B.4), which VHDX seals its metadata with.

Python has no Castagnoli polynomial; what is sealed is a few hundred KiB a file.
"""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)  # noqa: PLW2901  # the CRC's own step
        table.append(value)
    return tuple(table)


_TABLE = _table()
_ZEROS = bytes(4096)


def _mapped(images: tuple[int, ...], crc: int) -> int:
    """A linear map of a register, given by what it makes of each of the 32 bits."""
    result = 0
    for bit, image in enumerate(images):
        if crc >> bit & 1:
            result ^= image
    return result


def _past_zeros() -> tuple[int, ...]:
    """What 4096 bytes of zeros make of each bit: the map of one byte, twelve times squared."""
    images = tuple(1 << bit >> 8 ^ _TABLE[1 << bit & 0xFF] for bit in range(32))
    for _ in range(12):
        images = tuple(_mapped(images, image) for image in images)
    return images


_PAST_ZEROS = _past_zeros()


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`; zeros, which tables are full of, are passed over in large steps."""
    table, crc = _TABLE, 0xFFFFFFFF
    for start in range(0, len(data), len(_ZEROS)):
        part = data[start : start + len(_ZEROS)]
        if part == _ZEROS:
            crc = _mapped(_PAST_ZEROS, crc)
            continue
        for byte in part:
            crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def sealed(data: bytes, field: int = 4) -> bool:
    """True when the little-endian CRC at `field` is that of `data` with the field zeroed."""
    said = int.from_bytes(data[field : field + 4], "little")
    return crc32c(data[:field] + bytes(4) + data[field + 4 :]) == said


def seal(data: bytes, field: int = 4) -> bytes:
    """`data` with its CRC at `field`, where it has zeros."""
    return data[:field] + crc32c(data).to_bytes(4, "little") + data[field + 4 :]
