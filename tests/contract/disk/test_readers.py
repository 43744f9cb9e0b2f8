"""Every reader against qemu-img: what it made, and what it says the content is."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.errors import (
    BackingMissingError,
    BackingRefusedError,
    CorruptError,
    UnsupportedError,
)
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat
from tests.contract.disk import qemu

Image = Callable[[str], Path]
ALL = [kind.name for kind in qemu.KINDS]
WRITABLE = [
    ("vpc", "subformat=dynamic,force_size=on"),
    ("vhdx", "subformat=dynamic,block_size=1M"),
    ("vmdk", "subformat=monolithicSparse,zeroed_grain=on"),
    ("qcow2", "cluster_size=4096"),
    ("qcow2", "extended_l2=on,cluster_size=16K"),
]


@pytest.mark.parametrize("name", ALL)
def test_content_and_extents(name: str, image: Image, sample: Path) -> None:
    kind = qemu.BY_NAME[name]
    expected = sample.read_bytes()
    with open_disk(image(name)) as reader:
        assert reader.format is kind.format
        assert reader.size == len(expected)
        assert qemu.digest(qemu.read_all(reader)) == qemu.digest(expected)
        qemu.assert_extents_hold(reader, expected)


@pytest.mark.parametrize("name", ALL)
def test_reads_at_any_offset(name: str, image: Image, sample: Path) -> None:
    expected = sample.read_bytes()
    source = random.Random(name)
    with open_disk(image(name)) as reader:
        for _ in range(60):
            offset = source.randrange(len(expected))
            buffer = bytearray(b"\xaa" * source.randrange(1, 200_000))
            got = reader.read_into(offset, buffer)
            assert got == min(len(buffer), len(expected) - offset)
            assert buffer[:got] == expected[offset : offset + got]
            assert set(buffer[got:]) <= {0xAA}
        assert reader.read_into(len(expected), bytearray(10)) == 0


def test_one_tree_hash_for_every_format(image: Image) -> None:
    roots = set()
    for name in ALL:
        with open_disk(image(name)) as reader:
            roots.add(tree_hash(reader).root)
    assert len(roots) == 1


@pytest.mark.parametrize(("driver", "options"), WRITABLE)
@pytest.mark.parametrize("seed", [1, 2])
def test_after_many_small_writes(driver: str, options: str, seed: int, tmp_path: Path) -> None:
    size = 9 * qemu.MIB + 512
    path = tmp_path / "disk.img"
    qemu.run("qemu-img", "create", "-q", "-f", driver, "-o", options, path, str(size))
    qemu.run("qemu-io", "-f", driver, *_writes(random.Random(seed), size), path)
    expected = qemu.content(path, driver)
    with open_disk(path) as reader:
        assert qemu.digest(qemu.read_all(reader)) == qemu.digest(expected)
        qemu.assert_extents_hold(reader, expected)


def test_stream_with_and_without_a_footer(image: Image, sample: Path, tmp_path: Path) -> None:
    """QEMU's header has the grain directory; ours says that the footer has it, as VMware's does."""
    ours = tmp_path / "ours.vmdk"
    with open_disk(sample) as reader:
        copy(reader, create_disk(ours, DiskFormat.VMDK, reader.size))
    expected = sample.read_bytes()
    for path, in_footer in ((image("vmdk-stream"), False), (ours, True)):
        (directory,) = struct.unpack_from("<Q", path.read_bytes(), 56)
        assert (directory == 2**64 - 1) is in_footer
        with open_disk(path) as reader:
            assert qemu.read_all(reader)[: len(expected)] == expected


@pytest.mark.parametrize("base", ["raw", "vhd-dynamic", "vhd-fixed", "vhdx-1m", "vmdk-sparse",
                                  "vmdk-stream", "qcow2-zstd"])  # fmt: skip
@pytest.mark.parametrize("size", [qemu.SAMPLE_SIZE, qemu.SAMPLE_SIZE + qemu.MIB, 5 * qemu.MIB])
def test_overlay_over_any_format(base: str, size: int, image: Image, tmp_path: Path) -> None:
    kind, original = qemu.BY_NAME[base], qemu.clone(image(base), tmp_path)
    overlay = tmp_path / "overlay.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", original.name, "-F", kind.driver]
    qemu.run(*argv, overlay, str(size))
    qemu.run("qemu-io", "-f", "qcow2", *_writes(random.Random(base), size), overlay)
    expected = qemu.content(overlay, "qcow2")
    with open_disk(overlay) as reader:
        assert qemu.digest(qemu.read_all(reader)) == qemu.digest(expected)
        qemu.assert_extents_hold(reader, expected)


def test_chain_of_overlays(image: Image, tmp_path: Path) -> None:
    shutil.copy(image("qcow2"), tmp_path / "0.qcow2")
    for level in range(1, 6):
        path, below = tmp_path / f"{level}.qcow2", f"{level - 1}.qcow2"
        qemu.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", path)
        writes = _writes(random.Random(level), qemu.SAMPLE_SIZE)
        qemu.run("qemu-io", "-f", "qcow2", *writes, path)
    with open_disk(path) as reader:
        assert qemu.read_all(reader) == qemu.content(path, "qcow2")
    (tmp_path / "2.qcow2").unlink()
    with pytest.raises(BackingMissingError) as caught:
        open_disk(path)
    assert caught.value.data["backing"] == "2.qcow2"


def test_backing_elsewhere_needs_leave(image: Image, tmp_path: Path) -> None:
    base, overlay = image("vhdx-1m"), tmp_path / "overlay.qcow2"
    qemu.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "vhdx", overlay)
    with pytest.raises(BackingRefusedError):
        open_disk(overlay)
    with pytest.raises(BackingRefusedError):
        open_disk(overlay, allow_backing=[tmp_path])
    for allowed in (True, [base.parent]):
        with open_disk(overlay, allow_backing=allowed) as reader:
            assert reader.size == qemu.SAMPLE_SIZE


def test_internal_snapshots_are_ignored(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "snapshots.qcow2"
    shutil.copy(image("qcow2"), path)
    qemu.run("qemu-img", "snapshot", "-c", "before", path)
    qemu.run("qemu-io", "-f", "qcow2", "-c", "write -P 9 0 3M", "-c", "discard 5M 1M", path)
    with open_disk(path) as reader:
        assert qemu.read_all(reader) == qemu.content(path, "qcow2")


@pytest.mark.parametrize(
    ("at", "value", "word"),
    [
        (32, struct.pack(">I", 2), "encryption"),
        (72, struct.pack(">Q", 1 << 2), "external data file"),
        (72, struct.pack(">Q", 1 << 40), "unknown"),
        (4, struct.pack(">I", 1), "version 1"),
    ],
)
def test_qcow2_refusals(at: int, value: bytes, word: str, image: Image, tmp_path: Path) -> None:
    path = qemu.clone(image("qcow2"), tmp_path)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(value)
    with pytest.raises(UnsupportedError) as caught:
        open_disk(path)
    assert word in caught.value.message


def test_tables_used_twice_are_refused(tmp_path: Path) -> None:
    """A file of a few KiB could describe terabytes of data that nobody can look through."""
    path = tmp_path / "shared.qcow2"
    qemu.run("qemu-img", "create", "-q", "-f", "qcow2", path, "2T")
    qemu.run("qemu-io", "-f", "qcow2", "-c", "write 0 64k", path)
    with open(path, "r+b") as file:
        file.seek(40)
        (offset,) = struct.unpack(">Q", file.read(8))
        file.seek(offset)
        entry = file.read(8)
        file.write(entry * 4095)
    with pytest.raises(CorruptError):
        open_disk(path)


def _writes(source: random.Random, size: int) -> list[str]:
    """qemu-io commands that write, zero and discard at random."""
    commands = []
    for _ in range(30):
        length = source.randrange(1, 400) * 512
        offset = source.randrange(0, (size - length) // 512) * 512
        verb = source.choice(["write -P 17", "write -P 0", "write -P 200", "write -z", "discard"])
        commands += ["-c", f"{verb} {offset} {length}"]
    return commands
