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
DEFAULT_BLOCK = 2 * 1024 * 1024


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
