"""NTFS records that make no sense: an answer, never a crash, a hang or a large read."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest

from imageport.guest.windows import ntfs

SIZE = 2 << 20


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("ntfs") / "volume"
    with file.open("wb") as stream:
        stream.truncate(SIZE)
    subprocess.run(["mkntfs", "-Q", "-F", "-q", file], check=True, capture_output=True)
    return file.read_bytes()


def mft(volume: bytes) -> int:
    sector, per_cluster, first = struct.unpack_from("<HB34xQ", volume, 0x0B)
    return int(first * sector * per_cluster)


def test_a_new_volume(volume: bytes, tmp_path: Path) -> None:
    (tmp_path / "volume").write_bytes(volume)
    free = ntfs.free_bytes(str(tmp_path / "volume"))
    assert free is not None
    assert SIZE // 4 < free < SIZE
    assert not ntfs.is_dirty(str(tmp_path / "volume"))


@pytest.mark.parametrize("content", [b"", b"\xa5" * 4096, bytes(8192)], ids=len)
def test_no_ntfs(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "volume").write_bytes(content)
    assert ntfs.free_bytes(str(tmp_path / "volume")) is None
    assert ntfs.is_dirty(str(tmp_path / "volume"))


def test_a_volume_that_was_cut_off(volume: bytes, tmp_path: Path) -> None:
    (tmp_path / "volume").write_bytes(volume[: mft(volume) + 3000])
    assert ntfs.free_bytes(str(tmp_path / "volume")) is None


@pytest.mark.parametrize("seed", range(100))
def test_damaged_records(volume: bytes, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    damaged = bytearray(volume)
    for _ in range(4):
        place = chance.choice((chance.randrange(0x0B, 0x48), mft(volume) + chance.randrange(8192)))
        damaged[place] = chance.randrange(256)
    (tmp_path / "volume").write_bytes(damaged)
    free = ntfs.free_bytes(str(tmp_path / "volume"))
    assert free is None or free >= 0
    assert ntfs.is_dirty(str(tmp_path / "volume")) in (True, False)


def test_a_bitmap_that_lies_elsewhere(volume: bytes, tmp_path: Path) -> None:
    """Runs of 2**40 clusters are refused, not read."""
    damaged = bytearray(volume)
    record = mft(volume) + 6 * 1024
    place = record + struct.unpack_from("<H", damaged, record + 0x14)[0]
    while struct.unpack_from("<I", damaged, place)[0] != 0x80:
        place += struct.unpack_from("<I", damaged, place + 4)[0]
    runs = place + struct.unpack_from("<H", damaged, place + 0x20)[0]
    damaged[runs : runs + 8] = b"\x16" + (1 << 40).to_bytes(6, "little") + b"\x01"
    (tmp_path / "volume").write_bytes(damaged)
    assert ntfs.free_bytes(str(tmp_path / "volume")) is None
