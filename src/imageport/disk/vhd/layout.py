"""Structures of VHD ("Virtual Hard Disk Image Format Specification" 1.0, 11 October 2006).

All integers are big-endian; sectors are 512 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self
from uuid import UUID

FOOTER_SIZE = 512
SHORT_FOOTER_SIZE = 511
"""Footers of images made before Virtual PC 2004 lack the last byte ("Hard Disk Footer Format")."""
HEADER_SIZE = 1024
COOKIE = b"conectix"
HEADER_COOKIE = b"cxsparse"
UNUSED_BLOCK = 0xFFFFFFFF
NO_OFFSET = 0xFFFFFFFFFFFFFFFF
FEATURES = 2
"""The reserved bit that is always set."""
VERSION = 0x00010000
EPOCH = 946684800
"""1 January 2000 UTC, from where timestamps count seconds, as Unix time."""
MAX_NAME = 512
"""Bytes of the parent's name in the dynamic disk header."""
DEFAULT_BLOCK = 2 * 1024 * 1024
MAX_SIZE = 2040 * 1024**3
"""Bytes of the largest disk that Windows and Azure take."""


class DiskType(IntEnum):
    """The footer's disk type."""

    FIXED = 2
    DYNAMIC = 3
    DIFFERENCING = 4


def checksum(structure: bytes, field: int) -> int:
    """One's complement of the sum of all bytes, the four at `field` left out."""
    return ~(sum(structure) - sum(structure[field : field + 4])) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Footer:
    """The hard disk footer, also copied to the start of dynamic disks; sizes in bytes."""

    disk_type: int
    current_size: int
    original_size: int
    data_offset: int
    unique_id: UUID
    timestamp: int
    geometry: tuple[int, int, int]
    creator: bytes = b"win "
    creator_version: int = 0x000A0000
    creator_host: bytes = b"Wi2k"

    _STRUCT: ClassVar[struct.Struct] = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
    _CHECKSUM_FIELD: ClassVar[int] = 64

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read a footer of 511 or 512 bytes. Raises `ValueError` saying what is wrong."""
        fields = cls._STRUCT.unpack(data.ljust(FOOTER_SIZE, b"\0"))
        if fields[0] != COOKIE:
            raise ValueError("the cookie is not 'conectix'")
        if fields[14] != checksum(data, cls._CHECKSUM_FIELD):
            raise ValueError("the checksum is wrong")
        return cls(
            disk_type=fields[13],
            current_size=fields[9],
            original_size=fields[8],
            data_offset=fields[3],
            unique_id=UUID(bytes=fields[15]),
            timestamp=fields[4],
            geometry=(fields[10], fields[11], fields[12]),
            creator=fields[5],
            creator_version=fields[6],
            creator_host=fields[7],
        )

    def pack(self) -> bytes:
        """The 512 bytes of the footer, sealed."""
        fields = (
            *(COOKIE, FEATURES, VERSION, self.data_offset, self.timestamp),
            *(self.creator, self.creator_version, self.creator_host),
            *(self.original_size, self.current_size, *self.geometry, self.disk_type),
        )
        plain = self._STRUCT.pack(*fields, 0, self.unique_id.bytes, 0)
        return _sealed(plain, self._CHECKSUM_FIELD)


@dataclass(frozen=True, slots=True)
class DynamicHeader:
    """The dynamic disk header; `locators` are (platform code, length, file offset)."""

    table_offset: int
    entries: int
    block_size: int
    parent_id: UUID
    parent_timestamp: int
    parent_name: str
    locators: tuple[tuple[bytes, int, int], ...]

    _STRUCT: ClassVar[struct.Struct] = struct.Struct(">8sQQIIII16sI4x512s192s256x")
    _LOCATOR: ClassVar[struct.Struct] = struct.Struct(">4sIIIQ")
    _CHECKSUM_FIELD: ClassVar[int] = 36

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read a header of 1,024 bytes. Raises `ValueError` saying what is wrong."""
        fields = cls._STRUCT.unpack(data)
        if fields[0] != HEADER_COOKIE:
            raise ValueError("the cookie is not 'cxsparse'")
        if fields[6] != checksum(data, cls._CHECKSUM_FIELD):
            raise ValueError("the checksum is wrong")
        locators = tuple(
            (code, length, offset)
            for code, _space, length, _, offset in cls._LOCATOR.iter_unpack(fields[10])
            if code != bytes(4)
        )
        return cls(
            table_offset=fields[2],
            entries=fields[4],
            block_size=fields[5],
            parent_id=UUID(bytes=fields[7]),
            parent_timestamp=fields[8],
            parent_name=fields[9].decode("utf-16-be", "replace").partition("\0")[0],
            locators=locators,
        )

    def pack(self) -> bytes:
        """The 1,024 bytes of the header, sealed."""
        name = self.parent_name.encode("utf-16-be")
        locators = b"".join(
            self._LOCATOR.pack(code, -(-length // 512), length, 0, offset)
            for code, length, offset in self.locators
        )
        plain = self._STRUCT.pack(
            *(HEADER_COOKIE, NO_OFFSET, self.table_offset, VERSION, self.entries),
            *(self.block_size, 0, self.parent_id.bytes, self.parent_timestamp, name, locators),
        )
        return _sealed(plain, self._CHECKSUM_FIELD)


def _sealed(plain: bytes, field: int) -> bytes:
    return plain[:field] + checksum(plain, field).to_bytes(4, "big") + plain[field + 4 :]


def geometry(size: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors a track for a size in bytes (appendix "CHS Calculation")."""
    sectors = min(size // 512, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    heads, per_track = max(4, (sectors // 17 + 1023) // 1024), 17
    if sectors // 17 >= heads * 1024 or heads > 16:
        heads, per_track = 16, 31
    if sectors // 31 >= 16 * 1024 and per_track == 31:
        per_track = 63
    return sectors // per_track // heads, heads, per_track
