"""Every readable kind of image to every writable one: three readers see the same content.

The readers are qemu-img, the libyal libraries and our own. An archive for Google Cloud is unpacked
by GNU tar, and by Python's, first.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imageport.disk.copy import copy
from imageport.disk.create import create_disk, granularity
from imageport.disk.file import LocalFile
from imageport.disk.gcp import GcpArchiveWriter
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.treehash import tree_hash
from imageport.disk.unpack import ArchiveReader
from imageport.model.target import DiskFormat
from tests.contract.disk import chains, libyal, qemu

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
SOURCES = [*qemu.BY_NAME, *chains.MAKERS]
Source = Callable[[str], Path]


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw disk whose content every source of the matrix has."""
    path = tmp_path_factory.mktemp("matrix") / "disk.raw"
    qemu.make_pieces(path, SIZE)
    return path


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Source:
    """The disk as the named kind of image or chain, made once."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = chains.make(name, disk, folder)
        return made[name]

    return get


@pytest.mark.parametrize("form", list(DRIVERS))
@pytest.mark.parametrize("name", SOURCES)
def test_content_under_three_readers(
    form: DiskFormat, name: str, source: Source, disk: Path, tmp_path: Path
) -> None:
    _copy_and_read(source(name), form, disk, tmp_path)


@pytest.mark.parametrize("form", list(DRIVERS))
def test_disk_of_several_tables(form: DiskFormat, tmp_path: Path) -> None:
    path = tmp_path / "large.raw"
    qemu.make_pieces(path, LARGE)
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
    with ArchiveReader(LocalFile(archive)) as reader:
        assert manifest.padded(reader.size).root == tree_hash(reader).root
    with tarfile.open(archive) as tar:
        (member,) = tar.getmembers()
        content = tar.extractfile(member)
        assert content is not None
        assert (member.name, member.size) == ("disk.raw", 1 << 30)
        assert qemu.digest(content.read(SIZE)) == qemu.digest(disk.read_bytes())
