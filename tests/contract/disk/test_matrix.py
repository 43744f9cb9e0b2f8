"""Every readable kind of image to every writable one: three readers see the same content.

The readers are qemu-img, the libyal libraries and our own. An archive for Google Cloud is unpacked
by GNU tar, and by Python's, first.
"""

from __future__ import annotations

import random
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from imageport.disk.copy import copy
from imageport.disk.create import create_disk, granularity
from imageport.disk.gcp import GcpArchiveWriter
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat
from tests.contract.disk import libyal, qemu
from tests.unit.disk import builders

SIZE = 5 * qemu.MIB + 7 * 512
"""No multiple of any unit."""
LARGE = 35 * qemu.MIB + 7 * 512
"""More than one grain table of VMDK is about."""
DRIVERS = {
    DiskFormat.RAW: "raw",
    DiskFormat.VHD_FIXED: "vpc",
    DiskFormat.VHD: "vpc",
    DiskFormat.VHDX: "vhdx",
    DiskFormat.VMDK: "vmdk",
    DiskFormat.QCOW2: "qcow2",
}
CHAINS = ("vhd-chain", "vhdx-chain", "vmdk-chain", "qcow2-chain")
SOURCES = [*(kind.name for kind in qemu.KINDS), *CHAINS]
Source = Callable[[str], Path]


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw disk whose content every source of the matrix has."""
    path = tmp_path_factory.mktemp("matrix") / "disk.raw"
    _make_disk(path, SIZE)
    return path


def _make_disk(path: Path, size: int) -> None:
    source = random.Random(5)
    with open(path, "wb") as file:
        file.truncate(size)
        for at in (0, 2 * qemu.MIB - 512, 3 * qemu.MIB + 70_144, size - 3 * qemu.MIB - 65_536):
            file.seek(at)
            file.write(source.randbytes(100 * 512) + b"imageport" * 9000)
        file.seek(size - 512)
        file.write(b"the end!" * 64)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Source:
    """The disk as the named kind of image or chain, made once."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            if name in CHAINS:
                made[name] = _CHAIN_MAKERS[name](disk, folder)
            else:
                made[name] = qemu.make(qemu.BY_NAME[name], disk, folder)
        return made[name]

    return get


@pytest.mark.parametrize("form", list(DiskFormat))
@pytest.mark.parametrize("name", SOURCES)
def test_content_under_three_readers(
    form: DiskFormat, name: str, source: Source, disk: Path, tmp_path: Path
) -> None:
    _copy_and_read(source(name), form, disk, tmp_path)


@pytest.mark.parametrize("form", list(DiskFormat))
def test_disk_of_several_tables(form: DiskFormat, tmp_path: Path) -> None:
    path = tmp_path / "large.raw"
    _make_disk(path, LARGE)
    _copy_and_read(path, form, path, tmp_path)


def _copy_and_read(source: Path, form: DiskFormat, disk: Path, folder: Path) -> None:
    """Copy an image of the content of `disk` to `form`; every reader sees the content."""
    target = folder / f"out.{form.partition('-')[0]}"
    expected = disk.read_bytes()
    unit = granularity(form)
    expected = expected.ljust(-(-len(expected) // unit) * unit, b"\0")
    with open_disk(source) as reader:
        manifest = copy(reader, create_disk(target, form, reader.size))
    with open_disk(target) as reader:
        assert reader.format is form
        assert qemu.digest(qemu.read_all(reader)) == qemu.digest(expected)
        assert manifest.padded(reader.size).root == tree_hash(reader).root
    qemu.assert_same(target, DRIVERS[form], disk)
    if form is not DiskFormat.RAW:
        assert qemu.digest(libyal.content(target, form)) == qemu.digest(expected)


@pytest.mark.parametrize("name", SOURCES)
def test_archive_under_two_tars(name: str, source: Source, disk: Path, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar.gz"
    with open_disk(source(name)) as reader:
        manifest = copy(reader, GcpArchiveWriter(LocalTarget(archive), reader))
    qemu.run("tar", "--extract", "--sparse", "--file", archive, "--directory", tmp_path)
    unpacked = tmp_path / "disk.raw"
    qemu.assert_same(unpacked, "raw", disk)
    with open_disk(unpacked) as reader:
        assert manifest.padded(reader.size).root == tree_hash(reader).root
    with tarfile.open(archive) as tar:
        (member,) = tar.getmembers()
        content = tar.extractfile(member)
        assert content is not None
        assert (member.name, member.size) == ("disk.raw", 1 << 30)
        assert qemu.digest(content.read(SIZE)) == qemu.digest(disk.read_bytes())


def _changed(disk: Path) -> tuple[bytes, dict[int, bytes]]:
    """Another content for a parent, and the sectors by which the disk differs from it."""
    content = disk.read_bytes()
    parent, sectors = bytearray(content), {}
    for number in random.Random(6).sample(range(SIZE // 512), 90):
        at = number * 512
        sectors[number] = content[at : at + 512]
        parent[at : at + 512] = b"\xdb" * 512
    return bytes(parent), sectors


def _vhd_chain(disk: Path, folder: Path) -> Path:
    ids = uuid.UUID(int=21), uuid.UUID(int=22)
    parent, sectors = _changed(disk)
    builders.fixed_vhd(folder / "base.vhd", parent, ids[0])
    child = folder / "child.avhd"
    builders.differencing_vhd(child, SIZE, sectors, ids[1], (ids[0], "base.vhd"))
    return child


def _vhdx_chain(disk: Path, folder: Path) -> Path:
    ids = uuid.UUID(int=23), uuid.UUID(int=24)
    parent, sectors = _changed(disk)
    parts = range(0, SIZE, qemu.MIB)
    blocks = {at // qemu.MIB: parent[at : at + qemu.MIB] for at in parts}
    partial: dict[int, dict[int, bytes]] = {}
    for number, content in sectors.items():
        partial.setdefault(number // 2048, {})[number % 2048] = content
    builders.vhdx(folder / "base.vhdx", SIZE, blocks, ids[0])
    child = folder / "child.avhdx"
    builders.vhdx(child, SIZE, {}, ids[1], partial=partial, parent=(ids[0], "base.vhdx"))
    return child


def _qemu_chain(driver: str) -> Callable[[Path, Path], Path]:
    def make(disk: Path, folder: Path) -> Path:
        parent, sectors = _changed(disk)
        raw, base, child = (folder / f"{name}.{driver}" for name in ("raw", "base", "child"))
        raw.write_bytes(parent)
        qemu.run("qemu-img", "convert", "-f", "raw", "-O", driver, raw, base)
        options = ["-f", driver, "-b", base.name, "-F", driver]
        qemu.run("qemu-img", "create", "-q", *options, child)
        writes: list[str] = []
        for index, number in enumerate(sectors):
            part = folder / str(index)
            part.write_bytes(sectors[number])
            writes += ["-c", f"write -s {part} {number * 512} 512"]
        qemu.run("qemu-io", "-f", driver, *writes, child)
        return child

    return make


_CHAIN_MAKERS: dict[str, Callable[[Path, Path], Path]] = {
    "vhd-chain": _vhd_chain,
    "vhdx-chain": _vhdx_chain,
    "vmdk-chain": _qemu_chain("vmdk"),
    "qcow2-chain": _qemu_chain("qcow2"),
}
