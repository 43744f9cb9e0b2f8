"""Block devices and file systems that share blocks: loop devices of this machine (needs root)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.copy import copy, copy_unhashed
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


def test_blocks_are_shared_where_the_file_system_can(tmp_path: Path) -> None:
    with _sharing(tmp_path) as mount:
        source = mount / "source.raw"
        source.write_bytes(os.urandom(100 * qemu.MIB))
        for form in (DiskFormat.VHDX, DiskFormat.QCOW2, DiskFormat.VHD, DiskFormat.RAW):
            before = _used(mount)
            with open_disk(source) as reader:
                manifest = copy(reader, create_disk(mount / form, form, reader.size))
            assert _used(mount) - before < 10 * qemu.MIB
            with open_disk(mount / form) as reader:
                assert tree_hash(reader).root == manifest.root


@contextlib.contextmanager
def _sharing(folder: Path) -> Iterator[Path]:
    """A file system that can share blocks."""
    image, mount = folder / "xfs.img", folder / "xfs"
    with open(image, "wb") as file:
        file.truncate(800 * qemu.MIB)
    mount.mkdir()
    qemu.run("mkfs.xfs", "-q", "-m", "reflink=1", image)
    qemu.run("mount", "-o", "loop", image, mount)
    try:
        yield mount
    finally:
        qemu.run("umount", mount)


def test_long_ranges_are_shared_and_what_cannot_be_is_written(tmp_path: Path) -> None:
    """More than is shared at once, with holes, an end that is not aligned, compressed clusters."""
    with _sharing(tmp_path) as mount:
        source, mixed = mount / "source.raw", mount / "mixed.qcow2"
        with open(source, "wb") as file:
            file.write(os.urandom(150 * qemu.MIB))
            file.seek(20 * qemu.MIB, os.SEEK_CUR)
            file.write(os.urandom(3 * qemu.MIB + 512))
        with open(source, "r+b") as file:
            file.seek(30 * qemu.MIB)
            file.write(b"text" * (qemu.MIB // 4))
        qemu.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", source, mixed)
        # One cluster in the middle of a long range becomes a compressed one.
        qemu.run("qemu-io", "-c", "discard 30M 64k", mixed)
        qemu.run("qemu-io", "-c", "write -c -P 116 30M 64k", mixed)
        for path in (source, mixed):
            with open_disk(path) as reader:
                wanted = tree_hash(reader)
            for form in (DiskFormat.VHDX, DiskFormat.QCOW2, DiskFormat.VHD, DiskFormat.RAW):
                target, before = mount / f"copy.{form}", _used(mount)
                with open_disk(path) as reader:
                    copy_unhashed(reader, create_disk(target, form, reader.size))
                # A VHD's end does not lie as the source's does.
                assert _used(mount) - before < 10 * qemu.MIB, (path.name, form)
                with open_disk(target) as reader:
                    found = tree_hash(reader)
                assert found.root == wanted.padded(found.size).root
                target.unlink()


def _used(mount: Path) -> int:
    os.sync()
    state = os.statvfs(mount)
    return (state.f_blocks - state.f_bfree) * state.f_frsize
