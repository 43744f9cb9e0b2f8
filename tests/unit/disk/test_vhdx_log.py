"""VHDX files whose log was not replayed: read as if it had been."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

import pytest

from imageport.disk.errors import CorruptError, TruncatedError
from imageport.disk.open import open_disk
from tests.unit.disk import builders

MIB = builders.MIB
OWN, LOG = uuid.UUID(int=1), uuid.UUID(int=2)
MOVED = {"block1": bytes(8), "block2": struct.pack("<Q", 5 * MIB | 6)}
"""The table entries that make of block 1, the second block stored, block 2."""


def _table_sector(path: Path, **changes: bytes) -> bytes:
    sector = bytearray(path.read_bytes()[3 * MIB : 3 * MIB + 4096])
    for name, entry in changes.items():
        at = int(name.removeprefix("block")) * 8
        sector[at : at + 8] = entry
    return bytes(sector)


def _make(path: Path, log: bytes, log_id: uuid.UUID = LOG) -> None:
    """Block 0 is in the table, the data of block 2 lies in the file but not in the table."""
    builders.vhdx(path, 4 * MIB, {0: b"x" * MIB, 1: b"y" * MIB}, OWN, log_id=log_id, log=log)


def _read(path: Path, offset: int) -> bytes:
    buffer = bytearray(16)
    with open_disk(path) as reader:
        reader.read_into(offset, buffer)
    return bytes(buffer)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "dirty.vhdx"
    _make(path, b"", uuid.UUID(int=0))
    return path


def test_table_update_in_the_log(path: Path) -> None:
    sector = _table_sector(path, **MOVED)
    assert _read(path, 2 * MIB) == bytes(16)
    _make(path, builders.log_entry(LOG, 5, 0, {3 * MIB: sector}, 6 * MIB))
    assert _read(path, 2 * MIB) == b"y" * 16
    assert _read(path, MIB) == bytes(16)
    assert _read(path, 0) == b"x" * 16


def test_later_entries_win_and_zero_descriptors_count(path: Path) -> None:
    first = builders.log_entry(LOG, 5, 0, {3 * MIB: _table_sector(path, **MOVED)}, MIB)
    second = builders.log_entry(LOG, 6, 0, {3 * MIB: 4096}, MIB)
    _make(path, first + second)
    assert _read(path, 2 * MIB) == _read(path, 0) == bytes(16)
    _make(path, first)
    assert _read(path, 2 * MIB) == b"y" * 16


def test_sequence_that_wraps_round_the_end(path: Path) -> None:
    sector = _table_sector(path, **MOVED)
    first = builders.log_entry(LOG, 8, MIB - 8192, {3 * MIB: 4096, 0: bytes(4096)}, MIB)
    second = builders.log_entry(LOG, 9, MIB - 8192, {3 * MIB: sector}, MIB)
    assert len(first) == len(second) == 8192
    log = bytearray(MIB)
    log[MIB - 8192 :], log[:8192] = first, second
    _make(path, bytes(log))
    assert _read(path, 2 * MIB) == b"y" * 16


def test_entries_of_an_older_log_are_ignored(path: Path) -> None:
    wrong = builders.log_entry(OWN, 9, 0, {3 * MIB: 4096}, MIB)
    right = builders.log_entry(LOG, 4, len(wrong), {3 * MIB: _table_sector(path, **MOVED)}, MIB)
    _make(path, wrong + right)
    assert _read(path, 2 * MIB) == b"y" * 16


def test_dirty_log_without_a_valid_entry(path: Path) -> None:
    entry = bytearray(builders.log_entry(LOG, 5, 0, {3 * MIB: bytes(4096)}, MIB))
    entry[5000] ^= 1
    _make(path, bytes(entry))
    with pytest.raises(CorruptError) as caught:
        open_disk(path)
    assert caught.value.data["structure"] == "VHDX log"


def test_file_shorter_than_the_log_knows(path: Path) -> None:
    _make(path, builders.log_entry(LOG, 5, 0, {3 * MIB: 4096}, 99 * MIB))
    with pytest.raises(TruncatedError):
        open_disk(path)
