"""VHDX as written, field by field ([MS-VHDX]); offsets are the specification's own."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest

from imageport.disk.copy import copy
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.vhdx.writer import VhdxWriter
from tests.contract.disk import qemu
from tests.unit.disk.builders import BAT, METADATA, crc32c

KIB, MIB = 1024, qemu.MIB
BLOCK = 2 * MIB
HEADERS, REGION_TABLES = (64 * KIB, 128 * KIB), (192 * KIB, 256 * KIB)
REQUIRED, FOR_DISK = 4, 2
ITEMS = {
    "CAA16737-FA36-4D43-B3B6-33F0AA44E76B": (8, REQUIRED),
    "2FA54224-CD1B-4876-B211-5DBED83BF4B8": (8, REQUIRED | FOR_DISK),
    "BECA12AB-B2E6-4523-93EF-C309E000C746": (16, REQUIRED | FOR_DISK),
    "8141BF1D-A96F-4709-BA47-F233A8FAAB5F": (4, REQUIRED | FOR_DISK),
    "CDA348C7-445D-4471-9CC9-E9885251C556": (4, REQUIRED | FOR_DISK),
}
"""Length and flags of the metadata items of a disk without a parent (2.6.2)."""


class Region(NamedTuple):
    offset: int
    length: int


@pytest.fixture(scope="module")
def file(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("vhdx") / "out.vhdx"
    with open_disk(sample) as reader:
        copy(reader, VhdxWriter(LocalTarget(path), reader.size, block_size=BLOCK))
    return path.read_bytes()


def _sealed(data: bytes) -> bool:
    said = int.from_bytes(data[4:8], "little")
    return crc32c(data[:4] + bytes(4) + data[8:]) == said


def _regions(file: bytes) -> dict[bytes, Region]:
    count = int.from_bytes(file[REGION_TABLES[0] + 8 : REGION_TABLES[0] + 12], "little")
    found = {}
    for index in range(count):
        at = REGION_TABLES[0] + 16 + 32 * index
        guid, offset, length, flags = struct.unpack_from("<16sQII", file, at)
        assert flags == 1, "required"
        found[guid] = Region(offset, length)
    return found


def _items(file: bytes) -> Iterator[tuple[str, int, bytes]]:
    """(guid, flags, value) of the metadata items; each lies alone behind the table."""
    region = _regions(file)[METADATA]
    count = int.from_bytes(file[region.offset + 10 : region.offset + 12], "little")
    end = 64 * KIB
    for index in range(count):
        at = region.offset + 32 + 32 * index
        guid, offset, length, flags, reserved = struct.unpack_from("<16sIIII", file, at)
        assert reserved == 0
        assert offset >= end
        end = offset + length
        assert end <= region.length
        start = region.offset + offset
        yield str(UUID(bytes_le=guid)).upper(), flags, file[start : start + length]


def _value(file: bytes, guid: str) -> int:
    (value,) = (value for name, _, value in _items(file) if name == guid)
    return int.from_bytes(value, "little")


def test_file_identifier(file: bytes) -> None:
    assert file[:8] == b"vhdxfile"
    assert file[8:520].decode("utf-16-le").rstrip("\0") == "imageport"
    assert not any(file[520 : 64 * KIB])
    assert len(file) % MIB == 0


def test_headers(file: bytes) -> None:
    first, second = (file[at : at + 4096] for at in HEADERS)
    for header in (first, second):
        assert header[:4] == b"head"
        assert _sealed(header)
        assert header[48:64] == bytes(16), "no log to replay"
        log_version, version, log_length, log_offset = struct.unpack_from("<HHIQ", header, 64)
        assert (log_version, version) == (0, 1)
        assert (log_length, log_offset) == (MIB, MIB)
        assert not any(header[80:])
    ids = [header[16:32] for header in (first, second)] + [header[32:48] for header in (first,)]
    assert ids[0] == ids[1] != bytes(16)
    assert first[32:48] == second[32:48] != bytes(16)
    sequences = [int.from_bytes(header[8:16], "little") for header in (first, second)]
    assert sequences[0] != sequences[1], "one of them is the current one"
    assert not any(file[MIB : 2 * MIB]), "the log is empty"


def test_region_tables(file: bytes) -> None:
    first, second = (file[at : at + 64 * KIB] for at in REGION_TABLES)
    assert first == second
    assert first[:4] == b"regi"
    assert _sealed(first)
    assert set(_regions(file)) == {BAT, METADATA}
    assert not any(first[16 + 2 * 32 :])


def test_nothing_overlaps(file: bytes) -> None:
    used = [Region(0, MIB), Region(MIB, MIB), *_regions(file).values()]
    used += [Region(offset, BLOCK) for _, offset in _present(file)]
    assert all(part.offset % MIB == part.length % MIB == 0 for part in used)
    used.sort()
    assert all(one.offset + one.length <= two.offset for one, two in pairwise(used))
    assert used[-1].offset + used[-1].length == len(file)


def test_metadata(file: bytes) -> None:
    region = _regions(file)[METADATA]
    table = file[region.offset : region.offset + 64 * KIB]
    assert table[:10] == b"metadata" + bytes(2)
    assert not any(table[12:32])
    assert {name: (len(value), flags) for name, flags, value in _items(file)} == ITEMS
    parameters = _value(file, "CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
    assert parameters == BLOCK, "blocks may be freed, no parent"
    assert _value(file, "2FA54224-CD1B-4876-B211-5DBED83BF4B8") == qemu.SAMPLE_SIZE
    assert _value(file, "BECA12AB-B2E6-4523-93EF-C309E000C746") != 0
    assert _value(file, "8141BF1D-A96F-4709-BA47-F233A8FAAB5F") == 512
    assert _value(file, "CDA348C7-445D-4471-9CC9-E9885251C556") == 4096


def _table(file: bytes) -> tuple[int, ...]:
    region = _regions(file)[BAT]
    return struct.unpack_from(f"<{region.length // 8}Q", file, region.offset)


def _present(file: bytes) -> Iterator[tuple[int, int]]:
    """(block, file offset) of the payload blocks; every other entry of the table is zero."""
    blocks = -(-qemu.SAMPLE_SIZE // BLOCK)
    for index, entry in enumerate(_table(file)):
        if entry:
            assert index < blocks
            assert entry & 7 == 6, "fully present"
            assert entry >> 3 & 0x1FFFF == 0, "reserved bits"
            yield index, entry >> 20 << 20


def test_blocks(file: bytes, sample: Path) -> None:
    expected = sample.read_bytes()
    present = dict(_present(file))
    for block in range(-(-len(expected) // BLOCK)):
        plain = expected[block * BLOCK : (block + 1) * BLOCK]
        if block in present:
            assert file[present[block] :][: len(plain)] == plain
        else:
            assert not any(plain)
    assert len(set(present.values())) == len(present) > 1


def test_table_has_room_for_bitmaps_between_chunks(tmp_path: Path) -> None:
    """Payload entries of a second chunk come behind the entry of the first one's bitmap (2.5)."""
    path, block = tmp_path / "out.vhdx", 256 * MIB
    ratio = (1 << 23) * 512 // block
    writer = VhdxWriter(LocalTarget(path), (ratio + 1) * block, block_size=block)
    writer.write(ratio * block, memoryview(b"second chunk"))
    writer.finish()
    with open(path, "rb") as file:
        entries = struct.unpack(f"<{ratio + 2}Q", _read(file.fileno(), 3 * MIB, 8 * (ratio + 2)))
        assert not any(entries[: ratio + 1])
        assert _read(file.fileno(), entries[ratio + 1] >> 20 << 20, 12) == b"second chunk"


def _read(fd: int, offset: int, length: int) -> bytes:
    return os.pread(fd, length, offset)
