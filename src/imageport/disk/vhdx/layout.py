"""Structures of VHDX ([MS-VHDX] version 20180912 and later). All integers are little-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self
from uuid import UUID

from imageport.disk.base import KIB, MIB

SIGNATURE = b"vhdxfile"
HEADER_OFFSETS = (64 * KIB, 128 * KIB)
HEADER_SIZE = 4 * KIB
REGION_TABLE_OFFSETS = (192 * KIB, 256 * KIB)
REGION_TABLE_SIZE = 64 * KIB
METADATA_TABLE_SIZE = 64 * KIB
MAX_TABLE_ENTRIES = 2047
"""Of the region table (2.2.3) and of the metadata table (2.6.1)."""
NO_GUID = UUID(int=0)

BAT_REGION = UUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
METADATA_REGION = UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")

FILE_PARAMETERS = UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
VIRTUAL_DISK_SIZE = UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
VIRTUAL_DISK_ID = UUID("BECA12AB-B2E6-4523-93EF-C309E000C746")
LOGICAL_SECTOR_SIZE = UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
PHYSICAL_SECTOR_SIZE = UUID("CDA348C7-445D-4471-9CC9-E9885251C556")
PARENT_LOCATOR = UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
VHDX_PARENT = UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913")
"""Locator type of a parent that is a VHDX file (2.6.2.6.1)."""

SECTORS_PER_BITMAP_BLOCK = 1 << 23
BITMAP_BLOCK = MIB


class BlockState(IntEnum):
    """The low three bits of a payload entry of the block allocation table (2.5.1.1)."""

    NOT_PRESENT = 0
    UNDEFINED = 1
    ZERO = 2
    UNMAPPED = 3
    FULLY_PRESENT = 6
    PARTIALLY_PRESENT = 7


def entry_state(entry: int) -> int:
    """The state of an entry of the block allocation table."""
    return entry & 7


def entry_offset(entry: int) -> int:
    """The file offset in bytes of an entry of the block allocation table."""
    return entry >> 20 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """One of the two headers (2.2.2); offsets and lengths in bytes."""

    sequence: int
    file_write_id: UUID
    data_write_id: UUID
    log_id: UUID
    log_version: int
    version: int
    log_length: int
    log_offset: int

    STRUCT: ClassVar[struct.Struct] = struct.Struct("<4sIQ16s16s16sHHIQ4016x")
    MAGIC: ClassVar[bytes] = b"head"

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the fields; the caller has checked the seal."""
        fields = cls.STRUCT.unpack(data)
        ids = [UUID(bytes_le=guid) for guid in fields[3:6]]
        return cls(*(fields[2], *ids, *fields[6:]))


@dataclass(frozen=True, slots=True)
class Region:
    """An entry of the region table (2.2.3.2)."""

    guid: UUID
    offset: int
    length: int
    required: bool


@dataclass(frozen=True, slots=True)
class MetadataItem:
    """An entry of the metadata table (2.6.1.2); `offset` counts from the region's start."""

    guid: UUID
    offset: int
    length: int
    is_user: bool
    required: bool


REGION_HEADER = struct.Struct("<4sIII")
REGION_ENTRY = struct.Struct("<16sQII")
REGION_MAGIC = b"regi"
METADATA_HEADER = struct.Struct("<8sHH20x")
METADATA_ENTRY = struct.Struct("<16sIIII")
METADATA_MAGIC = b"metadata"
LOCATOR_HEADER = struct.Struct("<16sHH")
LOCATOR_ENTRY = struct.Struct("<IIHH")
IS_USER, IS_VIRTUAL_DISK, IS_REQUIRED = 1, 2, 4
LEAVE_ALLOCATED, HAS_PARENT = 1, 2


def regions(table: bytes) -> Iterator[Region]:
    """The entries of a sealed region table. Raises `ValueError` saying what is wrong."""
    count = REGION_HEADER.unpack_from(table)[2]
    if count > MAX_TABLE_ENTRIES:
        raise ValueError(f"{count} entries")
    for index in range(count):
        at = REGION_HEADER.size + index * REGION_ENTRY.size
        guid, offset, length, required = REGION_ENTRY.unpack_from(table, at)
        yield Region(UUID(bytes_le=guid), offset, length, bool(required & 1))


def metadata_items(table: bytes) -> Iterator[MetadataItem]:
    """The entries of a metadata table. Raises `ValueError` saying what is wrong."""
    magic, _, count = METADATA_HEADER.unpack_from(table)
    if magic != METADATA_MAGIC:
        raise ValueError("the signature is not 'metadata'")
    if count > MAX_TABLE_ENTRIES:
        raise ValueError(f"{count} entries")
    for index in range(count):
        at = METADATA_HEADER.size + index * METADATA_ENTRY.size
        guid, offset, length, flags, _ = METADATA_ENTRY.unpack_from(table, at)
        yield MetadataItem(
            UUID(bytes_le=guid), offset, length, bool(flags & IS_USER), bool(flags & IS_REQUIRED)
        )


def pack_locator(pairs: Mapping[str, str]) -> bytes:
    """A parent locator of these keys and values (2.6.2.6), in order, without terminators."""
    strings = [(key.encode("utf-16-le"), value.encode("utf-16-le")) for key, value in pairs.items()]
    head = LOCATOR_HEADER.pack(VHDX_PARENT.bytes_le, 0, len(strings))
    at, entries = len(head) + LOCATOR_ENTRY.size * len(strings), b""
    for key, value in strings:
        entries += LOCATOR_ENTRY.pack(at, at + len(key), len(key), len(value))
        at += len(key) + len(value)
    return head + entries + b"".join(key + value for key, value in strings)


def locator_entries(item: bytes) -> Iterator[tuple[str, str]]:
    """The keys and values of a parent locator (2.6.2.6). Raises `ValueError`."""
    if len(item) < LOCATOR_HEADER.size:
        raise ValueError("it is too short")
    kind, _, count = LOCATOR_HEADER.unpack_from(item)
    if UUID(bytes_le=kind) != VHDX_PARENT:
        raise ValueError("the parent is not a VHDX file")
    if LOCATOR_HEADER.size + count * LOCATOR_ENTRY.size > len(item):
        raise ValueError(f"{count} entries")
    for index in range(count):
        at = LOCATOR_HEADER.size + index * LOCATOR_ENTRY.size
        key, value, key_length, value_length = LOCATOR_ENTRY.unpack_from(item, at)
        yield (
            item[key : key + key_length].decode("utf-16-le"),
            item[value : value + value_length].decode("utf-16-le"),
        )
