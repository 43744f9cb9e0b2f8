"""VHD as written, field by field ("Virtual Hard Disk Image Format Specification" 1.0).

Offsets are the specification's own; nothing of our structures is used.
"""

from __future__ import annotations

import struct
import time
from itertools import pairwise
from pathlib import Path

import pytest

from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.errors import UnsupportedError
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.vhd.writer import FixedVhdWriter
from imageport.model.target import DiskFormat
from tests.contract.disk import qemu

MIB = qemu.MIB
YEAR_2000 = 946684800


@pytest.fixture(scope="module")
def fixed(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return _written(sample, tmp_path_factory.mktemp("vhd") / "fixed.vhd", DiskFormat.VHD_FIXED)


@pytest.fixture(scope="module")
def dynamic(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return _written(sample, tmp_path_factory.mktemp("vhd") / "dynamic.vhd", DiskFormat.VHD)


def _written(sample: Path, path: Path, form: DiskFormat) -> bytes:
    with open_disk(sample) as reader:
        copy(reader, create_disk(path, form, reader.size))
    return path.read_bytes()


def _number(data: bytes, offset: int, length: int) -> int:
    return int.from_bytes(data[offset : offset + length], "big")


def _checksum(data: bytes, field: int) -> int:
    return ~(sum(data) - sum(data[field : field + 4])) & 0xFFFFFFFF


def _assert_footer(footer: bytes, size: int, kind: int, data_offset: int) -> None:
    assert len(footer) == 512
    assert footer[:8] == b"conectix"
    assert _number(footer, 8, 4) == 2, "features: only the reserved bit"
    assert _number(footer, 12, 4) == 0x00010000
    assert _number(footer, 16, 8) == data_offset
    assert abs(_number(footer, 24, 4) + YEAR_2000 - time.time()) < 3600
    assert footer[28:32] == b"win ", "a creator for which the size counts, not the geometry"
    assert footer[36:40] == b"Wi2k"
    assert _number(footer, 40, 8) == _number(footer, 48, 8) == size
    cylinders, heads, sectors = struct.unpack(">HBB", footer[56:60])
    assert size - cylinders * heads * sectors * 512 < heads * sectors * 512
    assert _number(footer, 60, 4) == kind
    assert _number(footer, 64, 4) == _checksum(footer, 64)
    assert any(footer[68:84]), "a unique id"
    assert footer[84] == 0, "no saved state"
    assert not any(footer[85:])


def test_fixed_is_as_azure_wants_it(fixed: bytes, sample: Path) -> None:
    size = len(fixed) - 512
    assert size % MIB == 0
    assert size - sample.stat().st_size < MIB
    _assert_footer(fixed[-512:], size, kind=2, data_offset=2**64 - 1)
    assert fixed[: sample.stat().st_size] == sample.read_bytes()
    assert not any(fixed[sample.stat().st_size : size])


@pytest.mark.parametrize("size", [MIB - 512, MIB + 512, 2040 * 1024 * MIB + MIB])
def test_sizes_that_azure_refuses(size: int, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError):
        FixedVhdWriter(LocalTarget(tmp_path / "out.vhd"), size)


def test_footers_of_dynamic(dynamic: bytes) -> None:
    _assert_footer(dynamic[-512:], qemu.SAMPLE_SIZE, kind=3, data_offset=512)
    assert dynamic[:512] == dynamic[-512:]


def test_header_of_dynamic(dynamic: bytes) -> None:
    header = dynamic[512:1536]
    assert header[:8] == b"cxsparse"
    assert _number(header, 8, 8) == 2**64 - 1
    assert _number(header, 16, 8) % 512 == 0
    assert _number(header, 24, 4) == 0x00010000
    assert _number(header, 28, 4) == -(-qemu.SAMPLE_SIZE // (2 * MIB))
    assert _number(header, 32, 4) == 2 * MIB, "the block size of Hyper-V, XenServer and PVS"
    assert _number(header, 36, 4) == _checksum(header, 36)
    assert not any(header[40:]), "no parent, no locators"


def test_table_and_blocks_of_dynamic(dynamic: bytes, sample: Path) -> None:
    header, expected = dynamic[512:1536], sample.read_bytes()
    table, count = _number(header, 16, 8), _number(header, 28, 4)
    end = -(-(table + 4 * count) // 512) * 512
    entries = struct.unpack_from(f">{count}I", dynamic, table)
    assert set(dynamic[table + 4 * count : end]) <= {0xFF}, "the table fills its sectors"
    used: list[int] = []
    for index, entry in enumerate(entries):
        plain = expected[index * 2 * MIB : (index + 1) * 2 * MIB]
        if entry == 0xFFFFFFFF:
            assert not any(plain)
            continue
        start = entry * 512
        used.append(start)
        assert dynamic[start : start + 512] == b"\xff" * 512, "every sector of the block is there"
        assert (start + 512) % 4096 == 0
        assert dynamic[start + 512 : start + 512 + len(plain)] == plain
    used.sort()
    assert used
    assert used[0] >= end
    assert all(two - one >= 512 + 2 * MIB for one, two in pairwise(used))
    assert used[-1] + 512 + 2 * MIB <= len(dynamic) - 512
