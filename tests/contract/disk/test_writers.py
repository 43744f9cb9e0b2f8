"""Every writer: QEMU and our own reader see the content that was copied."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from imageport.disk.base import DiskWriter
from imageport.disk.copy import copy
from imageport.disk.create import create_disk, create_for, granularity
from imageport.disk.errors import TargetExistsError, UnsupportedError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat
from tests.contract.disk import qemu

Image = Callable[[str], Path]
FORMATS = [form for form in DiskFormat if form is not DiskFormat.TAR_GZ]
DRIVERS = {
    DiskFormat.RAW: "raw",
    DiskFormat.VHD_FIXED: "vpc",
    DiskFormat.VHD: "vpc",
    DiskFormat.VHDX: "vhdx",
    DiskFormat.VMDK: "vmdk",
    DiskFormat.QCOW2: "qcow2",
}
SOURCES = ["raw", "vhd-dynamic", "vhdx-1m", "vmdk-stream", "qcow2-zstd"]


def _copied(source: Path, target: Path, form: DiskFormat) -> None:
    with open_disk(source) as reader:
        manifest = copy(reader, create_disk(target, form, reader.size))
        assert manifest.root == tree_hash(reader).root
    with open_disk(target) as reader:
        assert reader.format is form
        assert manifest.padded(reader.size).root == tree_hash(reader).root


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", SOURCES)
def test_written_disk_is_read_alike(
    form: DiskFormat, name: str, image: Image, sample: Path, tmp_path: Path
) -> None:
    target = tmp_path / f"out.{form.partition('-')[0]}"
    _copied(image(name), target, form)
    unit = granularity(form)
    expected = sample.read_bytes()
    expected = expected.ljust(-(-len(expected) // unit) * unit, b"\0")
    assert qemu.digest(qemu.content(target, DRIVERS[form])) == qemu.digest(expected)
    with open_disk(target) as reader:
        qemu.assert_extents_hold(reader, expected)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [512, 64 * 1024, qemu.MIB, 2**41 + 512, 300 * 2**30])
def test_sizes(form: DiskFormat, size: int, tmp_path: Path) -> None:
    """From one sector to more than 2 TiB, with data at both ends."""
    source, target = tmp_path / "in.img", tmp_path / "out.img"
    with open(source, "wb") as file:
        file.truncate(size)
        file.write(b"A" * 512)
        file.seek(size - 512)
        file.write(b"Z" * 512)
    if size > 2040 * 2**30 and form in (DiskFormat.VHD, DiskFormat.VHD_FIXED):
        with pytest.raises(UnsupportedError), open_disk(source) as reader:
            create_disk(target, form, reader.size)
        return
    with open_disk(source) as reader:
        manifest = copy(reader, create_disk(target, form, size))
    said = json.loads(qemu.run("qemu-img", "info", "-f", DRIVERS[form], "--output=json", target))
    assert said["virtual-size"] == -(-size // granularity(form)) * granularity(form)
    with open_disk(target) as reader:
        assert tree_hash(reader).root == manifest.padded(reader.size).root


@pytest.mark.parametrize("form", [DiskFormat.QCOW2, DiskFormat.VMDK, DiskFormat.VHDX])
def test_qemu_finds_no_fault(form: DiskFormat, image: Image, tmp_path: Path) -> None:
    target = tmp_path / "out.img"
    _copied(image("raw"), target, form)
    said = json.loads(qemu.run("qemu-img", "check", "-f", DRIVERS[form], "--output=json", target))
    assert said["check-errors"] == 0
    assert "leaks" not in said
    assert "corruptions" not in said


@pytest.mark.parametrize("form", [DiskFormat.QCOW2, DiskFormat.VHD, DiskFormat.VHDX])
def test_qemu_can_write_to_it(form: DiskFormat, image: Image, tmp_path: Path) -> None:
    """The tables are sound enough for another program to allocate blocks behind ours."""
    target = tmp_path / "out.img"
    _copied(image("raw"), target, form)
    writes = ["-c", "write -P 5 0 3M", "-c", "write -P 6 17M 3M", "-c", "write -P 7 20M 512"]
    qemu.run("qemu-io", "-f", DRIVERS[form], *writes, target)
    expected = qemu.content(target, DRIVERS[form])
    with open_disk(target) as reader:
        assert qemu.digest(qemu.read_all(reader)) == qemu.digest(expected)


@pytest.mark.parametrize("block_size", [qemu.MIB << shift for shift in (0, 1, 5, 8)])
def test_vhdx_block_sizes(block_size: int, sample: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.vhdx"
    with open_disk(sample) as reader:
        copy(reader, create_for(reader, target, DiskFormat.VHDX, block_size=block_size))
    assert qemu.digest(qemu.content(target, "vhdx")) == qemu.digest(sample.read_bytes())
    said = json.loads(qemu.run("qemu-img", "info", "--output=json", target))
    assert said["cluster-size"] == block_size


@pytest.mark.parametrize("block_size", [0, 512, 3 * qemu.MIB, 512 * qemu.MIB])
def test_vhdx_block_sizes_that_are_refused(block_size: int, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError):
        create_disk(tmp_path / "out.vhdx", DiskFormat.VHDX, qemu.MIB, block_size=block_size)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", [form for form in DiskFormat if form is not DiskFormat.VHDX])
def test_block_size_of_other_formats(form: DiskFormat, sample: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError), open_disk(sample) as reader:
        create_for(reader, tmp_path / "out", form, block_size=2 * qemu.MIB)
    assert not list(tmp_path.iterdir())


def test_fixed_vhd_is_as_azure_wants_it(sample: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.vhd"
    _copied(sample, target, DiskFormat.VHD_FIXED)
    size = target.stat().st_size - 512
    assert size % qemu.MIB == 0
    footer = target.read_bytes()[-512:]
    fields = struct.unpack(">8sIIQI4sI4sQQHBBII16sB427x", footer)
    assert fields[:4] == (b"conectix", 2, 0x00010000, 2**64 - 1)
    assert fields[8] == fields[9] == size
    assert fields[13] == 2
    assert fields[14] == ~(sum(footer) - sum(footer[64:68])) & 0xFFFFFFFF
    assert target.stat().st_blocks * 512 < size // 2


@pytest.mark.parametrize("form", [DiskFormat.VHD, DiskFormat.VHDX, DiskFormat.QCOW2])
def test_writes_in_any_order_and_size(form: DiskFormat, tmp_path: Path) -> None:
    """Pieces that are aligned to nothing, written backwards, some zeroed again."""
    size = 11 * qemu.MIB + 512
    source, expected = random.Random(form), bytearray(size)
    target = tmp_path / "out.img"
    writer: DiskWriter = create_disk(target, form, size)
    for offset in sorted((source.randrange(size - 70000) for _ in range(60)), reverse=True):
        data = source.randbytes(source.randrange(1, 70000))
        if source.random() < 0.2:
            writer.zero(offset, len(data))
            data = bytes(len(data))
        else:
            writer.write(offset, memoryview(data))
        expected[offset : offset + len(data)] = data
    writer.finish()
    assert qemu.digest(qemu.content(target, DRIVERS[form])) == qemu.digest(bytes(expected))
    with open_disk(target) as reader:
        assert qemu.digest(qemu.read_all(reader)) == qemu.digest(bytes(expected))


@pytest.mark.parametrize("form", FORMATS)
def test_existing_file_is_left_alone(form: DiskFormat, tmp_path: Path) -> None:
    target = tmp_path / "out.img"
    target.write_bytes(b"precious")
    with pytest.raises(TargetExistsError):
        create_disk(target, form, qemu.MIB)
    assert target.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [target]
