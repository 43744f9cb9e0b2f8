"""The seals of VHDX's metadata: CRC-32C (Castagnoli, RFC 3720 appendix B.4)."""

from __future__ import annotations

import google_crc32c


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`."""
    return int(google_crc32c.value(data))


def sealed(data: bytes, field: int = 4) -> bool:
    """True when the little-endian CRC at `field` is that of `data` with the field zeroed."""
    said = int.from_bytes(data[field : field + 4], "little")
    return crc32c(data[:field] + bytes(4) + data[field + 4 :]) == said


def seal(data: bytes, field: int = 4) -> bytes:
    """`data` with its CRC at `field`, where it has zeros."""
    return data[:field] + crc32c(data).to_bytes(4, "little") + data[field + 4 :]
