"""Copies that move only what changed, and targets that take whole blocks."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imageport.disk.base import KIB, MIB, BlockWriter, DiskReader
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.errors import UnsupportedError
from imageport.disk.manifest import BLOCK, Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import REQUEST, tree_hash
from imageport.model.target import DiskFormat

SIZE = 8 * MIB + 512
"""The last block is not whole."""


class InPlace:
    """A disk in memory that holds something already; counts what is done to it."""

    name, zeroed, ordered = "memory", False, False

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self.data = bytearray(content)
        self.written: list[tuple[int, int]] = []
        self.zeroes: list[tuple[int, int]] = []

    def write(self, offset: int, data: memoryview) -> None:
        self.written.append((offset, len(data)))
        self.data[offset : offset + len(data)] = data

    def zero(self, offset: int, length: int) -> None:
        self.zeroes.append((offset, length))
        self.data[offset : offset + length] = bytes(length)

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def restart(self) -> None:
        pass

    def sync(self) -> None:
        pass

    def suspend(self) -> None:
        pass

    def read_back(self, offset: int, view: memoryview) -> bool:
        view[:] = self.data[offset : offset + len(view)]
        return True


class Blocks(InPlace):
    """Takes whole blocks only, and cannot be read back."""

    def __init__(self, size: int, *, zeroed: bool) -> None:
        super().__init__((b"" if zeroed else b"\xdd").ljust(1, b"\0") * size)
        self.zeroed = zeroed
        self.held: dict[int, bytes] = {}

    def write_block(self, block: int, data: memoryview, leaf: bytes) -> None:
        assert hashlib.sha256(bytes(data).ljust(BLOCK, b"\0")).digest() == leaf
        assert len(data) == min(BLOCK, SIZE - block * BLOCK)
        self.held[block] = leaf
        super().write(block * BLOCK, data)

    def holds_block(self, block: int, leaf: bytes) -> bool:
        return self.held.get(block) == leaf

    def write(self, offset: int, data: memoryview) -> None:
        raise AssertionError("whole blocks only")

    def zero(self, offset: int, length: int) -> None:
        assert offset % BLOCK == 0 or offset == SIZE
        assert (offset + length) % BLOCK == 0 or offset + length in (SIZE, self.size)
        super().zero(offset, length)

    def read_back(self, offset: int, view: memoryview) -> bool:
        raise AssertionError("it cannot be read back")


def _noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


Opener = Callable[[bytes], DiskReader]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens bytes as a disk: whole blocks of zeros are holes of the file."""
    readers: list[DiskReader] = []

    def make(content: bytes) -> DiskReader:
        path = tmp_path / f"{len(readers)}.raw"
        with open(path, "wb") as file:
            file.truncate(len(content))
            for at in range(0, len(content), BLOCK):
                if any(content[at : at + BLOCK]):
                    file.seek(at)
                    file.write(content[at : at + BLOCK])
        readers.append(open_disk(path))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


@pytest.fixture
def old() -> bytes:
    """Noise, with zeros from 2 MiB to 4 MiB."""
    return _noise(2 * MIB) + bytes(2 * MIB) + _noise(SIZE - 4 * MIB, 2)


def _delta(opened: Opener, old: bytes, new: bytes, room: int = 0) -> InPlace:
    """Copy `new` over `old`, with `room` zeros behind it; the content is checked."""
    base: Manifest = tree_hash(opened(old))
    size = max(len(old), len(new)) + room
    target = InPlace(old.ljust(size, b"\0"))
    with opened(new) as source:
        manifest = copy(source, target, base=base, workers=1)
        assert manifest.root == tree_hash(source).root
    assert target.data == new.ljust(size, b"\0")
    return target


def test_nothing_moves_when_nothing_changed(opened: Opener, old: bytes) -> None:
    target = _delta(opened, old, old, room=3 * MIB)
    assert target.written == target.zeroes == []


def test_only_changed_blocks_are_written(opened: Opener, old: bytes) -> None:
    new = bytearray(old)
    new[5 * MIB + 100] ^= 1
    new[6 * MIB : 6 * MIB + 2 * BLOCK] = _noise(2 * BLOCK, 3)
    new[-1] ^= 1
    target = _delta(opened, old, bytes(new))
    blocks = [5 * MIB, 6 * MIB, 6 * MIB + BLOCK]
    assert sorted(target.written) == [*((at, BLOCK) for at in blocks), (8 * MIB, 512)]
    assert target.zeroes == []


def test_blocks_that_became_holes_are_zeroed(opened: Opener, old: bytes) -> None:
    new = bytearray(old)
    new[MIB : 2 * MIB] = bytes(MIB)
    new[7 * MIB :] = bytes(SIZE - 7 * MIB)
    target = _delta(opened, old, bytes(new))
    assert target.written == []
    assert sorted(target.zeroes) == [(MIB, MIB), (7 * MIB, SIZE - 7 * MIB)]


def test_zeros_within_a_changed_block_are_written(opened: Opener, old: bytes) -> None:
    new = bytearray(old)
    new[6 * MIB + 128 * KIB : 6 * MIB + 256 * KIB] = bytes(128 * KIB)
    target = _delta(opened, old, bytes(new))
    assert target.zeroes == [(6 * MIB + 128 * KIB, 128 * KIB)]


def test_data_where_the_base_has_none(opened: Opener, old: bytes) -> None:
    new = bytearray(old)
    new[3 * MIB] = 1
    target = _delta(opened, old, bytes(new))
    assert [offset for offset, _ in target.written] == [3 * MIB]


def test_disk_that_grew(opened: Opener, old: bytes) -> None:
    target = _delta(opened, old, old + _noise(MIB, 4) + bytes(2 * MIB))
    assert min(offset for offset, _ in target.written) == 8 * MIB
    assert all(offset >= 8 * MIB for offset, _ in target.zeroes)


@pytest.mark.parametrize("size", [6 * MIB, 5 * MIB + 512])
def test_disk_that_shrank(size: int, opened: Opener, old: bytes) -> None:
    target = _delta(opened, old, old[:size])
    assert sum(length for _, length in target.zeroes) == SIZE - size


def test_a_stream_has_no_base(opened: Opener, old: bytes, tmp_path: Path) -> None:
    with opened(old) as source:
        target = create_disk(tmp_path / "out.vmdk", DiskFormat.VMDK, SIZE)
        with pytest.raises(UnsupportedError):
            copy(source, target, base=tree_hash(source))
    assert [path.suffix for path in tmp_path.iterdir()] == [".raw"]


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def _interrupted(after: int) -> Callable[[int, int], None]:
    def stop(done: int, total: int) -> None:
        if done >= after:
            raise Interrupted

    return stop


def test_delta_that_was_interrupted(opened: Opener, old: bytes, tmp_path: Path) -> None:
    base, target, journal = tree_hash(opened(old)), InPlace(old), tmp_path / "journal"
    new = _noise(6 * MIB, 5) + old[6 * MIB :]
    with opened(new) as source:
        with pytest.raises(Interrupted):
            copy(source, target, base=base, workers=1, journal=journal, progress=_interrupted(MIB))
        target.written.clear()
        copy(source, target, base=base, workers=1, journal=journal)
    assert target.data == new
    assert sum(length for _, length in target.written) == 5 * MIB


def test_journal_of_another_base_is_not_used(opened: Opener, old: bytes, tmp_path: Path) -> None:
    target, journal = InPlace(old), tmp_path / "journal"
    with opened(_noise(SIZE, 6)) as source:
        with pytest.raises(Interrupted):
            copy(source, target, journal=journal, workers=1, progress=_interrupted(MIB))
        target.data[: 2 * MIB] = old[: 2 * MIB]
        target.written.clear()
        copy(source, target, journal=journal, workers=1, base=tree_hash(opened(old)))
        assert sum(length for _, length in target.written) == SIZE


@pytest.mark.parametrize("zeroed", [True, False])
def test_target_that_takes_whole_blocks(zeroed: bool, opened: Opener) -> None:
    """Zeros that are no whole block travel with it; whole ones only where they must."""
    content = bytes(BLOCK // 2) + _noise(BLOCK) + bytes(6 * MIB) + _noise(MIB)
    content = content + bytes(SIZE - len(content))
    target = Blocks(SIZE + 2 * BLOCK, zeroed=zeroed)
    assert isinstance(target, BlockWriter)
    with opened(content) as source:
        copy(source, target)
    assert target.data == content.ljust(target.size, b"\0")
    assert all(offset % BLOCK == 0 for offset, _ in target.written)
    assert bool(target.zeroes) is not zeroed
    assert all(length <= REQUEST for _, length in target.zeroes)


def test_whole_blocks_are_resumed_by_their_leaves(
    opened: Opener, old: bytes, tmp_path: Path
) -> None:
    target, journal = Blocks(SIZE, zeroed=True), tmp_path / "journal"
    with opened(old) as source:
        with pytest.raises(Interrupted):
            copy(source, target, workers=1, journal=journal, progress=_interrupted(2 * MIB))
        assert target.held.pop(1)
        target.written.clear()
        manifest = copy(source, target, workers=1, journal=journal)
        assert manifest.root == tree_hash(source).root
    assert target.data == old
    assert min(offset for offset, _ in target.written) == 0
    assert sum(length for _, length in target.written) == MIB + SIZE - 4 * MIB
