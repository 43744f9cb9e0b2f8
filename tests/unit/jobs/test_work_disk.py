"""The disk that a job's engine gets below its layer."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.disk.base import MIB
from imageport.disk.child import create_child
from imageport.disk.create import create_disk
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.jobs.ends import HERE
from imageport.jobs.folder import JobFolder
from imageport.jobs.work_disk import base_of
from imageport.model.target import DiskFormat
from imageport.platforms.base import DiskRef


def nothing(done: int, total: int) -> None:
    assert done <= total


@pytest.mark.parametrize("form", [DiskFormat.VHD, DiskFormat.VHDX])
def test_a_chain_is_copied(tmp_path: Path, form: DiskFormat) -> None:
    """QEMU takes a differencing VHD's absent blocks for zeros: it must not be put below."""
    parent, child = tmp_path / f"win.{form}", tmp_path / f"win.1.a{form}"
    writer = create_disk(parent, form, 8 * MIB)
    writer.write(0, memoryview(b"parent" * 512))
    writer.finish()
    differing = create_child(child, parent, form)
    differing.write(6 * MIB, memoryview(bytes(range(256)) * 2))
    differing.finish()
    folder = JobFolder("job", tmp_path / "job")
    folder.path.mkdir()
    base = base_of(folder, str(child), HERE, nothing)
    assert base == DiskRef(folder.base_disk, DiskFormat.RAW)
    with open_disk(child) as reader, open_disk(base.path) as copied:
        assert tree_hash(copied).root == tree_hash(reader).root


def test_what_qemu_reads_is_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "win.vhdx"
    create_disk(source, DiskFormat.VHDX, 8 * MIB).finish()
    folder = JobFolder("job", tmp_path / "job")
    folder.path.mkdir()
    assert base_of(folder, str(source), HERE, nothing) == DiskRef(source, DiskFormat.VHDX)
    assert not folder.base_disk.exists()
