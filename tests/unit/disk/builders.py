"""Differencing disks made by hand, after the specifications and not after our own structures."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping
from pathlib import Path

MIB = 1024 * 1024
SECTOR = 512


def vhd_checksum(data: bytes) -> int:
    return ~sum(data) & 0xFFFFFFFF


def vhd_footer(size: int, disk_type: int, unique_id: uuid.UUID) -> bytes:
    data_offset = 0xFFFFFFFFFFFFFFFF if disk_type == 2 else 512
    head = b"conectix" + struct.pack(">IIQI", 2, 0x10000, data_offset, 0)
    head += b"test" + struct.pack(">I", 1) + b"Wi2k" + struct.pack(">QQ", size, size)
    head += struct.pack(">HBBI", 16, 4, 17, disk_type)
    tail = unique_id.bytes + bytes(428)
    return head + struct.pack(">I", vhd_checksum(head + tail)) + tail


def fixed_vhd(path: Path, content: bytes, unique_id: uuid.UUID) -> None:
    path.write_bytes(content + vhd_footer(len(content), 2, unique_id))


def differencing_vhd(
    path: Path,
    size: int,
    sectors: Mapping[int, bytes],
    own_id: uuid.UUID,
    parent: tuple[uuid.UUID, str],
    *,
    locator: tuple[bytes, bytes] | None = None,
    block: int = 2 * MIB,
) -> None:
    """A child that holds `sectors` (number to 512 bytes) and has the rest from its parent."""
    blocks = -(-size // block)
    table_at, locator_at = 1536, 1536 + -(-blocks * 4 // SECTOR) * SECTOR
    code, name = locator or (bytes(4), b"")
    head = b"cxsparse" + struct.pack(">QQIII", 2**64 - 1, table_at, 0x10000, blocks, block)
    entry = code + struct.pack(">IIIQ", 1, len(name), 0, locator_at)
    tail = parent[0].bytes + bytes(8) + parent[1].encode("utf-16-be").ljust(512, b"\0")
    tail += entry.ljust(192, b"\0") + bytes(256)
    header = head + struct.pack(">I", vhd_checksum(head + tail)) + tail
    bitmap_size = -(-block // SECTOR // 8 // SECTOR) * SECTOR
    table, data, at = [0xFFFFFFFF] * blocks, b"", locator_at + 4096
    for index in sorted({number * SECTOR // block for number in sectors}):
        bitmap, payload = bytearray(bitmap_size), bytearray(b"\xee" * block)
        first = index * block // SECTOR
        for number, content in sectors.items():
            within = number - first
            if 0 <= within < block // SECTOR:
                bitmap[within // 8] |= 0x80 >> within % 8
                payload[within * SECTOR : (within + 1) * SECTOR] = content
        table[index] = (at + len(data)) // SECTOR
        data += bytes(bitmap) + bytes(payload)
    footer = vhd_footer(size, 4, own_id)
    packed = struct.pack(f">{blocks}I", *table).ljust(locator_at - table_at, b"\xff")
    path.write_bytes(footer + header + packed + name.ljust(4096, b"\0") + data + footer)


_CRC = []
for _value in range(256):
    for _ in range(8):
        _value = _value >> 1 ^ (0x82F63B78 if _value & 1 else 0)
    _CRC.append(_value)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def seal(data: bytes) -> bytes:
    """`data` with its CRC-32C at byte 4."""
    return data[:4] + struct.pack("<I", crc32c(data[:4] + bytes(4) + data[8:])) + data[8:]


def _guid(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


BAT = _guid("2DC27766-F623-4200-9D64-115E9BFD4A08")
METADATA = _guid("8B7CA206-4790-4B9A-B8FE-575F050F886E")


def _locator(parent: uuid.UUID, name: str) -> bytes:
    pairs = {"parent_linkage": f"{{{parent}}}", "relative_path": name}
    head = _guid("B04AEFB7-D19E-4A81-B789-25B8E9445913") + struct.pack("<HH", 0, len(pairs))
    entries, strings, at = b"", b"", len(head) + 12 * len(pairs)
    for key, value in pairs.items():
        one, two = key.encode("utf-16-le"), value.encode("utf-16-le")
        entries += struct.pack("<IIHH", at, at + len(one), len(one), len(two))
        strings += one + two
        at += len(one) + len(two)
    return head + entries + strings


def _metadata(items: Mapping[str, bytes]) -> bytes:
    table, data = b"metadata" + struct.pack("<HH", 0, len(items)) + bytes(20), b""
    for guid, value in items.items():
        table += _guid(guid) + struct.pack("<IIII", 65536 + len(data), len(value), 6, 0)
        data += value
    return (table.ljust(65536, b"\0") + data).ljust(MIB, b"\0")


def vhdx(
    path: Path,
    size: int,
    blocks: Mapping[int, bytes],
    own_id: uuid.UUID,
    *,
    partial: Mapping[int, Mapping[int, bytes]] | None = None,
    parent: tuple[uuid.UUID, str] | None = None,
    sector: int = SECTOR,
    log_id: uuid.UUID | None = None,
    log: bytes = b"",
) -> None:
    """A VHDX of 1 MiB blocks: whole `blocks`, and `partial` ones (sector in block to content)."""
    count, ratio = -(-size // MIB), (1 << 23) * sector // MIB
    chunks = -(-count // ratio)
    table = [0] * (chunks * (ratio + 1))
    data, base = b"", 4 * MIB
    for number, content in blocks.items():
        table[number + number // ratio] = base + len(data) | 6
        data += content.ljust(MIB, b"\0")
    bitmaps: dict[int, bytearray] = {}
    for number, sectors in (partial or {}).items():
        table[number + number // ratio] = base + len(data) | 7
        payload = bytearray(b"\xee" * MIB)
        bitmap = bitmaps.setdefault(number // ratio, bytearray(MIB))
        for within, content in sectors.items():
            bit = number % ratio * (MIB // sector) + within
            bitmap[bit // 8] |= 1 << bit % 8
            payload[within * sector : (within + 1) * sector] = content
        data += payload
    for chunk, bitmap in bitmaps.items():
        table[(chunk + 1) * ratio + chunk] = base + len(data) | 6
        data += bitmap
    items = {
        "CAA16737-FA36-4D43-B3B6-33F0AA44E76B": struct.pack("<II", MIB, 2 if parent else 0),
        "2FA54224-CD1B-4876-B211-5DBED83BF4B8": struct.pack("<Q", size),
        "8141BF1D-A96F-4709-BA47-F233A8FAAB5F": struct.pack("<I", sector),
    }
    if parent:
        items["A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"] = _locator(*parent)
    header = b"head" + struct.pack("<IQ", 0, 1) + own_id.bytes_le * 2
    header += (log_id or uuid.UUID(int=0)).bytes_le + struct.pack("<HHIQ", 0, 1, MIB, MIB)
    regions = b"regi" + struct.pack("<III", 0, 2, 0) + BAT + struct.pack("<QII", 3 * MIB, MIB, 1)
    regions += METADATA + struct.pack("<QII", 2 * MIB, MIB, 1)
    front = bytearray(4 * MIB)
    front[:8] = b"vhdxfile"
    for at in (65536, 131072):
        front[at : at + 4096] = seal(header.ljust(4096, b"\0"))
    for at in (196608, 262144):
        front[at : at + 65536] = seal(regions.ljust(65536, b"\0"))
    front[MIB : MIB + len(log)] = log
    front[2 * MIB : 3 * MIB] = _metadata(items)
    packed = struct.pack(f"<{len(table)}Q", *table)
    front[3 * MIB : 3 * MIB + len(packed)] = packed
    path.write_bytes(bytes(front) + data)


def log_entry(
    log_id: uuid.UUID, sequence: int, tail: int, writes: Mapping[int, bytes | int], flushed: int
) -> bytes:
    """A sealed log entry: file offset to 4 KiB of data, or to a length of zeros."""
    descriptors, sectors = b"", b""
    for offset, what in writes.items():
        if isinstance(what, int):
            descriptors += b"zero" + bytes(4) + struct.pack("<QQQ", what, offset, sequence)
            continue
        descriptors += b"desc" + what[-4:] + what[:8] + struct.pack("<QQ", offset, sequence)
        low, high = struct.pack("<I", sequence & 0xFFFFFFFF), struct.pack("<I", sequence >> 32)
        sectors += b"data" + high + what[8:-4] + low
    first = -(-(64 + len(descriptors)) // 4096) * 4096
    head = b"loge" + struct.pack("<IIIQII", 0, first + len(sectors), tail, sequence, len(writes), 0)
    head += log_id.bytes_le + struct.pack("<QQ", flushed, flushed)
    return seal((head + descriptors).ljust(first, b"\0") + sectors)
