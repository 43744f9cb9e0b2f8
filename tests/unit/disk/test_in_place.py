"""An older version of a disk becomes the next one: only its changed blocks are written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from imageport.disk.base import MIB
from imageport.disk.copy import copy
from imageport.disk.create import create_disk, open_in_place
from imageport.disk.errors import UnsupportedError
from imageport.disk.in_place import InPlaceWriter
from imageport.disk.manifest import BLOCK
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat

SIZE = 16 * MIB


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.raw"
    path.write_bytes(random.Random(1).randbytes(8 * MIB).ljust(SIZE, b"\0"))
    return path


@pytest.fixture
def new(old: Path, tmp_path: Path) -> Path:
    content = bytearray(old.read_bytes())
    content[3 * MIB + 5] ^= 1
    content[5 * MIB : 6 * MIB] = bytes(MIB)
    content[SIZE - 1] = 7
    path = tmp_path / "new.raw"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", [DiskFormat.RAW, DiskFormat.VHD_FIXED])
def test_only_changed_blocks_are_written(
    form: DiskFormat, old: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target.img"
    with open_disk(old) as reader:
        base = copy(reader, create_disk(target, form, SIZE))
    footer = target.read_bytes()[SIZE:]
    written = 0
    write = InPlaceWriter.write

    def counted(self: InPlaceWriter, offset: int, data: bytes | memoryview) -> None:
        nonlocal written
        written += len(data)
        write(self, offset, data)

    monkeypatch.setattr(InPlaceWriter, "write", counted)
    with open_disk(new) as reader:
        manifest = copy(reader, open_in_place(target), base=base)
    assert target.read_bytes() == new.read_bytes() + footer
    with open_disk(target) as reader:
        assert reader.format is form
        assert tree_hash(reader).root == manifest.root
    assert written <= 4 * BLOCK


def test_formats_with_tables_are_refused(old: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.vhdx"
    with open_disk(old) as reader:
        copy(reader, create_disk(target, DiskFormat.VHDX, SIZE))
    before = target.read_bytes()
    with pytest.raises(UnsupportedError):
        open_in_place(target)
    assert target.read_bytes() == before
