"""Partition tables: what a machine's firmware reads first.

GPT: UEFI 2.10, section 5.3. MBR: UEFI 2.10, sections 5.2.1 and 5.2.3.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512

EFI_SYSTEM = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")

GPT_SECTORS = 33
"""Sectors of a GPT's header and its table of 128 entries; at the front the MBR comes before them,
at the end they are all that there is."""

_GPT_ENTRIES = 128
_GPT_ENTRY = struct.Struct("<16s16sQQQ72s")
_GPT_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_GPT_REVISION = 0x10000
_MBR_TABLE = 440
_MBR_ENTRY = struct.Struct("<B3sB3sII")
_PROTECTIVE = 0xEE

ReadAt = Callable[[int, int], bytes]
"""Reads (offset, length) bytes of a disk; fewer at its end."""


def device_reader(path: str) -> ReadAt:
    """Reads a block device or a raw file, opened anew each time."""

    def read_at(offset: int, length: int) -> bytes:
        with Path(path).open("rb") as disk:
            disk.seek(offset)
            return disk.read(length)

    return read_at


@dataclass(frozen=True, slots=True)
class GptPartition:
    """One entry of a GUID partition table; `first` and `sectors` count 512-byte sectors."""

    number: int
    kind: uuid.UUID
    unique: uuid.UUID
    first: int
    sectors: int
    attributes: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Gpt:
    """A sound GUID partition table. `sectors` is the size of the disk that it was written for."""

    disk: uuid.UUID
    partitions: tuple[GptPartition, ...]
    sectors: int


@dataclass(frozen=True, slots=True)
class MbrPartition:
    """A primary partition of an MBR; `kind` is the type byte, `number` counts from 1."""

    number: int
    active: bool
    kind: int
    first: int
    sectors: int

    @property
    def end(self) -> int:
        """The first sector behind it."""
        return self.first + self.sectors


@dataclass(frozen=True, slots=True)
class Mbr:
    """A master boot record's disk signature and its entries that are in use."""

    signature: int
    partitions: tuple[MbrPartition, ...]


def mbr(read_at: ReadAt) -> Mbr | None:
    """The disk's MBR, or None when it has none, or only the one that protects a GPT."""
    sector = read_at(0, SECTOR)
    if sector[510:512] != b"\x55\xaa":
        return None
    (signature,) = struct.unpack_from("<I", sector, _MBR_TABLE)
    found = []
    for index in range(4):
        place = _MBR_TABLE + 6 + index * _MBR_ENTRY.size
        flag, _, kind, _, first, sectors = _MBR_ENTRY.unpack_from(sector, place)
        if kind:
            found.append(MbrPartition(index + 1, flag == 0x80, kind, first, sectors))
    if any(partition.kind == _PROTECTIVE for partition in found):
        return None
    return Mbr(signature, tuple(found))


def gpt(read_at: ReadAt, header_at: int = 1) -> Gpt | None:
    """The GUID partition table whose header is in sector `header_at`; None unless its checksums,
    and what it says of its own place, hold."""
    header = read_at(header_at * SECTOR, SECTOR)
    if len(header) < SECTOR or header[:8] != b"EFI PART":
        return None
    _, _, length, crc, _, here, other, _, _, disk, table, count, size, table_crc = (
        _GPT_HEADER.unpack_from(header)
    )
    if not 92 <= length <= SECTOR or here != header_at or size != _GPT_ENTRY.size or count > 1024:
        return None
    if zlib.crc32(header[:16] + bytes(4) + header[20:length]) != crc:
        return None
    rows = read_at(table * SECTOR, count * size)
    if zlib.crc32(rows) != table_crc:
        return None
    entries = (_entry(number, rows, size) for number in range(1, count + 1))
    return Gpt(
        uuid.UUID(bytes_le=disk),
        tuple(entry for entry in entries if entry),
        max(here, other) + 1,
    )


def _entry(number: int, rows: bytes, size: int) -> GptPartition | None:
    row = rows[(number - 1) * size : number * size]
    kind, unique, first, last, attributes, name = _GPT_ENTRY.unpack_from(row)
    if not any(kind):
        return None
    return GptPartition(
        number,
        uuid.UUID(bytes_le=kind),
        uuid.UUID(bytes_le=unique),
        first,
        last - first + 1,
        attributes,
        name.decode("utf-16-le", errors="replace").split("\0", 1)[0],
    )


def gpt_blocks(
    disk: uuid.UUID, partitions: Sequence[GptPartition], sectors: int
) -> dict[int, bytes]:
    """What a GPT on a disk of `sectors` sectors writes where (bytes): the protective MBR, without
    boot code, the table at the front, and the one at the end."""
    rows = bytearray(_GPT_ENTRIES * _GPT_ENTRY.size)
    for each in partitions:
        _GPT_ENTRY.pack_into(
            rows,
            (each.number - 1) * _GPT_ENTRY.size,
            each.kind.bytes_le,
            each.unique.bytes_le,
            each.first,
            each.first + each.sectors - 1,
            each.attributes,
            each.name.encode("utf-16-le"),
        )
    table, last = bytes(rows), sectors - 1

    def header(here: int, other: int, table_at: int) -> bytes:
        parts = [b"EFI PART", _GPT_REVISION, _GPT_HEADER.size, 0, 0, here, other]
        parts += [1 + GPT_SECTORS, last - GPT_SECTORS, disk.bytes_le, table_at]
        parts += [_GPT_ENTRIES, _GPT_ENTRY.size, zlib.crc32(table)]
        parts[3] = zlib.crc32(_GPT_HEADER.pack(*parts))
        return _GPT_HEADER.pack(*parts).ljust(SECTOR, b"\0")

    return {
        0: _protective_mbr(sectors) + header(1, last, 2) + table,
        (last - GPT_SECTORS + 1) * SECTOR: table + header(last, 1, last - GPT_SECTORS + 1),
    }


def _protective_mbr(sectors: int) -> bytes:
    """One entry over the whole disk (section 5.2.3, tables 5.3 and 5.4)."""
    covered = min(sectors - 1, 0xFFFFFFFF)
    entry = _MBR_ENTRY.pack(0, b"\x00\x02\x00", _PROTECTIVE, b"\xff\xff\xff", 1, covered)
    return bytes(_MBR_TABLE + 6) + entry + bytes(48) + b"\x55\xaa"


def gpt_partitions(read_at: ReadAt) -> list[GptPartition] | None:
    """The entries of the disk's GUID partition table, or None when it has no sound one."""
    header = read_at(SECTOR, 92)
    if len(header) < 92 or header[:8] != b"EFI PART":
        return None
    table, count, size = struct.unpack_from("<QII", header, 72)
    if not (128 <= size <= 4096 and 0 < count <= 1024):
        return None
    rows = read_at(table * SECTOR, count * size)
    entries = (_entry(number, rows, size) for number in range(1, len(rows) // size + 1))
    return [entry for entry in entries if entry]


def has_boot_code(read_at: ReadAt) -> bool:
    """Whether a BIOS would find something to start in the first sector."""
    sector = read_at(0, SECTOR)
    return sector[510:512] == b"\x55\xaa" and any(sector[:64])
