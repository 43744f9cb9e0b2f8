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


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`."""
    table, crc = _TABLE, 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def sealed(data: bytes, field: int = 4) -> bool:
    """True when the little-endian CRC at `field` is that of `data` with the field zeroed."""
    said = int.from_bytes(data[field : field + 4], "little")
    return crc32c(data[:field] + bytes(4) + data[field + 4 :]) == said


def seal(data: bytes, field: int = 4) -> bytes:
    """`data` with its CRC at `field`, where it has zeros."""
    return data[:field] + crc32c(data).to_bytes(4, "little") + data[field + 4 :]
