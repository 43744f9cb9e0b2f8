"""Partition tables: what a machine's firmware reads first.

GPT: UEFI 2.10, section 5.3. MBR: UEFI 2.10, section 5.2.1.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass

SECTOR = 512

EFI_SYSTEM = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")

ReadAt = Callable[[int, int], bytes]
"""Reads (offset, length) bytes of a disk; fewer at its end."""


@dataclass(frozen=True, slots=True)
class GptPartition:
    """One entry of a GUID partition table; `first` and `sectors` count 512-byte sectors."""

    number: int
    kind: uuid.UUID
    unique: uuid.UUID
    first: int
    sectors: int


def gpt_partitions(read_at: ReadAt) -> list[GptPartition] | None:
    """The entries of the disk's GUID partition table, or None when it has no sound one."""
    header = read_at(SECTOR, 92)
    if len(header) < 92 or header[:8] != b"EFI PART":
        return None
    table, count, size = struct.unpack_from("<QII", header, 72)
    if not (128 <= size <= 4096 and 0 < count <= 1024):
        return None
    rows = read_at(table * SECTOR, count * size)
    partitions = []
    for index in range(len(rows) // size):
        row = rows[index * size : (index + 1) * size]
        kind = uuid.UUID(bytes_le=row[:16])
        if kind.int:
            first, last = struct.unpack_from("<QQ", row, 32)
            unique = uuid.UUID(bytes_le=row[16:32])
            partitions.append(GptPartition(index + 1, kind, unique, first, last - first + 1))
    return partitions


def has_boot_code(read_at: ReadAt) -> bool:
    """Whether a BIOS would find something to start in the first sector."""
    sector = read_at(0, SECTOR)
    return sector[510:512] == b"\x55\xaa" and any(sector[:64])
