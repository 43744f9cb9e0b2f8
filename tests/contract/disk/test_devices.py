"""Block devices and file systems that share blocks: loop devices of this machine (needs root)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.errors import TargetTooSmallError, UnsupportedError, UnwritableError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat
from tests.contract.disk import qemu


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    """A block device of 24 MiB full of noise."""
    (tmp_path / "device.img").write_bytes(os.urandom(24 * qemu.MIB))
    path = qemu.run("losetup", "--find", "--show", tmp_path / "device.img").strip()
    yield Path(path)
    qemu.run("losetup", "--detach", path)


def test_onto_a_device_and_back(device: Path, sample: Path, tmp_path: Path) -> None:
    with open_disk(sample) as reader:
        manifest = copy(reader, create_disk(device, DiskFormat.RAW, reader.size))
    expected = sample.read_bytes().ljust(24 * qemu.MIB, b"\0")
    assert qemu.digest(device.read_bytes()) == qemu.digest(expected)
    with open_disk(device) as reader:
        assert reader.format is DiskFormat.RAW
        assert tree_hash(reader).root == manifest.padded(reader.size).root
        copy(reader, create_disk(tmp_path / "out.qcow2", DiskFormat.QCOW2, reader.size))
    assert qemu.digest(qemu.content(tmp_path / "out.qcow2", "qcow2")) == qemu.digest(expected)


def test_device_refusals(device: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetTooSmallError):
        create_disk(device, DiskFormat.RAW, 25 * qemu.MIB)
    with pytest.raises(UnsupportedError):
        create_disk(device, DiskFormat.QCOW2, qemu.MIB)
    qemu.run("mkfs.ext4", "-q", device)
    qemu.run("mount", device, tmp_path)
    try:
        with pytest.raises(UnwritableError):
            create_disk(device, DiskFormat.RAW, qemu.MIB)
    finally:
        qemu.run("umount", tmp_path)


def test_content_of_a_device_is_never_probed(device: Path, tmp_path: Path) -> None:
    """The guest may have written any magic there."""
    qemu.run("qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "q", "1M")
    device.write_bytes((tmp_path / "q").read_bytes())
    with open_disk(device) as reader:
        assert reader.format is DiskFormat.RAW


def test_blocks_are_shared_where_the_file_system_can(sample: Path, tmp_path: Path) -> None:
    image, mount = tmp_path / "xfs.img", tmp_path / "xfs"
    with open(image, "wb") as file:
        file.truncate(400 * qemu.MIB)
    mount.mkdir()
    qemu.run("mkfs.xfs", "-q", "-m", "reflink=1", image)
    qemu.run("mount", "-o", "loop", image, mount)
    try:
        source = mount / "source.raw"
        source.write_bytes(os.urandom(100 * qemu.MIB))
        for form in (DiskFormat.VHDX, DiskFormat.QCOW2, DiskFormat.VHD, DiskFormat.RAW):
            before = _used(mount)
            with open_disk(source) as reader:
                manifest = copy(reader, create_disk(mount / form, form, reader.size))
            assert _used(mount) - before < 10 * qemu.MIB
            with open_disk(mount / form) as reader:
                assert tree_hash(reader).root == manifest.root
    finally:
        qemu.run("umount", mount)


def _used(mount: Path) -> int:
    os.sync()
    state = os.statvfs(mount)
    return (state.f_blocks - state.f_bfree) * state.f_frsize
