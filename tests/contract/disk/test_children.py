"""Child images: random writes and zeros over a parent, under every reader; the parent untouched."""

from __future__ import annotations

import hashlib
import random
import struct
import uuid
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from imageport.disk.base import DiskWriter, ExtentKind
from imageport.disk.child import create_child
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.errors import UnsupportedError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat
from tests.contract.disk import libyal, qemu

MIB = qemu.MIB
SIZE = 9 * MIB + 7 * 512
YEAR_2000 = 946684800
SUFFIXES = {DiskFormat.VHD: "vhd", DiskFormat.VHDX: "vhdx", DiskFormat.QCOW2: "qcow2"}
PAIRS = [
    (DiskFormat.VHD, DiskFormat.VHD),
    (DiskFormat.VHD_FIXED, DiskFormat.VHD),
    (DiskFormat.VHDX, DiskFormat.VHDX),
    (DiskFormat.QCOW2, DiskFormat.QCOW2),
    (DiskFormat.RAW, DiskFormat.QCOW2),
    (DiskFormat.VHDX, DiskFormat.QCOW2),
    (DiskFormat.VMDK, DiskFormat.QCOW2),
]
FORMATS = list(SUFFIXES)
LIBYAL_UNIT = 8
"""Sectors. What libvhdi (20260901) reads wrongly is left to the letter of the specification: in a
byte of a VHD's bitmap it takes what follows a held sector for held as well; in a VHDX child it
looks for blocks in state ZERO, and for the bitmap of a chunk without one, at the start of the file.
"""


def _parent(form: DiskFormat, folder: Path) -> Path:
    """A disk full of noise, so that nothing of it is a zero by chance, but for two MiB."""
    noise = bytearray(random.Random(form).randbytes(SIZE))
    noise[5 * MIB : 7 * MIB] = bytes(2 * MIB)
    raw, path = folder / "noise.img", folder / f"base.{form.partition('-')[0]}"
    raw.write_bytes(noise)
    with open_disk(raw) as reader:
        copy(reader, create_disk(path, form, SIZE))
    raw.unlink()
    return path


def _content(path: Path) -> bytearray:
    with open_disk(path) as reader:
        return bytearray(qemu.read_all(reader))


def _scribble(
    writer: DiskWriter, expected: bytearray, source: random.Random, unit: int = 1
) -> None:
    """Writes and zeros of every size, some over each other, that end at `unit` sectors."""
    sectors = len(expected) // 512
    for _ in range(60):
        count = source.choice((1, 3, 128, 700, 2048, 4096, 5000))
        first = source.randrange(sectors)
        start, end = first * 512, min(-(-(first + count) // unit) * unit, sectors) * 512
        if source.random() < 0.4:
            writer.zero(start, end - start)
            expected[start:end] = bytes(end - start)
        else:
            data = source.randbytes(end - start)
            writer.write(start, memoryview(data))
            expected[start:end] = data


def _vhd_by_the_book(data: bytes, below: bytes) -> bytes:
    """A differencing VHD over a parent's content: every bit of every bitmap, one at a time."""
    content = bytearray(below)
    table, _, count, block = struct.unpack_from(">QIII", data, 512 + 16)
    for index, entry in enumerate(struct.unpack_from(f">{count}I", data, table)):
        for sector in range(block // 512) if entry != 0xFFFFFFFF else ():
            at = index * block + sector * 512
            if data[entry * 512 + sector // 8] & 0x80 >> sector % 8 and at < len(content):
                start = entry * 512 + block // 512 // 8 + sector * 512
                content[at : at + 512] = data[start : start + 512]
    return bytes(content)


def _vhdx_by_the_book(data: bytes, below: bytes) -> bytes:
    """The same for a VHDX of 2 MiB blocks in one chunk, whose bitmap is for blocks in part."""
    content, block, ratio = bytearray(below), 2 * MIB, 2048
    table = struct.unpack_from(f"<{ratio + 1}Q", data, 3 * MIB)
    bitmap = table[ratio] >> 20 << 20
    for index, entry in enumerate(table[: -(-len(below) // block)]):
        start, place = entry >> 20 << 20, index * block
        for at in range(place, min(place + block, len(content)), 512):
            bit = at // 512
            if entry & 7 == 2:
                content[at : at + 512] = bytes(512)
            elif entry & 7 == 6 or (entry & 7 == 7 and data[bitmap + bit // 8] >> bit % 8 & 1):
                stored = start + at - place
                content[at : at + 512] = data[stored : stored + 512]
    return bytes(content)


BY_THE_BOOK = {DiskFormat.VHD: _vhd_by_the_book, DiskFormat.VHDX: _vhdx_by_the_book}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _assert_read_alike(
    path: Path, form: DiskFormat, below: bytes, data: bytes, parents: Sequence[Path] = ()
) -> None:
    """A child of a disk with the content `below` has the content `data`, says our reader, and
    QEMU or the letter of the specification; and libyal, when it is given the `parents`.
    """
    with open_disk(path) as reader:
        assert reader.format is form
        assert reader.size == len(data)
        assert qemu.digest(qemu.read_all(reader)) == qemu.digest(data)
        qemu.assert_extents_hold(reader, data)
    if form is DiskFormat.QCOW2:
        assert qemu.digest(qemu.content(path, "qcow2")) == qemu.digest(data)
        assert "No errors" in qemu.run("qemu-img", "check", "-f", "qcow2", path)
        return
    assert qemu.digest(BY_THE_BOOK[form](path.read_bytes(), below)) == qemu.digest(data)
    if parents:
        assert qemu.digest(libyal.content(path, form, parents)) == qemu.digest(data)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("below", "form"), PAIRS)
def test_random_writes(below: DiskFormat, form: DiskFormat, seed: int, tmp_path: Path) -> None:
    parent = _parent(below, tmp_path)
    before, expected = _digest(parent), _content(parent)
    original = bytes(expected)
    child = tmp_path / f"child.{SUFFIXES[form]}"
    writer = create_child(child, parent, form)
    _scribble(writer, expected, random.Random(seed), LIBYAL_UNIT)
    writer.finish()
    _assert_read_alike(child, form, original, bytes(expected), [parent])
    assert _digest(parent) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([parent.name, child.name])


@pytest.mark.parametrize("form", FORMATS)
def test_single_sectors(form: DiskFormat, tmp_path: Path) -> None:
    parent, child = _parent(form, tmp_path), tmp_path / f"child.{SUFFIXES[form]}"
    below = bytes(_content(parent))
    expected = bytearray(below)
    writer = create_child(child, parent, form)
    _scribble(writer, expected, random.Random("sectors"))
    writer.finish()
    _assert_read_alike(child, form, below, bytes(expected))


@pytest.mark.parametrize("form", FORMATS)
def test_child_of_a_child(form: DiskFormat, tmp_path: Path) -> None:
    parents = [_parent(form, tmp_path)]
    expected = _content(parents[0])
    for level in range(3):
        below, child = bytes(expected), tmp_path / f"{level}.{SUFFIXES[form]}"
        writer = create_child(child, parents[0], form)
        _scribble(writer, expected, random.Random(level), LIBYAL_UNIT)
        writer.finish()
        _assert_read_alike(child, form, below, bytes(expected), parents)
        parents.insert(0, child)


@pytest.mark.parametrize("form", FORMATS)
def test_zeros_hide_the_parent(form: DiskFormat, tmp_path: Path) -> None:
    """Whole blocks take next to no space, also when they are zeroed piece by piece."""
    parent, child = _parent(form, tmp_path), tmp_path / f"child.{SUFFIXES[form]}"
    below = bytes(_content(parent))
    expected = bytearray(below)
    writer = create_child(child, parent, form)
    for at in range(0, 4 * MIB, MIB // 2):
        writer.zero(at, MIB // 2)
    writer.zero(8 * MIB + 512, 512)
    writer.finish()
    expected[: 4 * MIB] = bytes(4 * MIB)
    expected[8 * MIB + 512 : 8 * MIB + 1024] = bytes(512)
    _assert_read_alike(child, form, below, bytes(expected))
    assert child.stat().st_blocks * 512 < MIB
    if form is not DiskFormat.VHD:
        with open_disk(child) as reader:
            first = next(reader.extents())
        assert (first.length, first.kind) == (4 * MIB, ExtentKind.ZERO)


@pytest.mark.parametrize("form", FORMATS)
def test_writing_over_zeros(form: DiskFormat, tmp_path: Path) -> None:
    parent, child = _parent(form, tmp_path), tmp_path / f"child.{SUFFIXES[form]}"
    below = bytes(_content(parent))
    expected = bytearray(below)
    writer = create_child(child, parent, form)
    writer.zero(0, 4 * MIB)
    writer.write(MIB, memoryview(b"over" * 128))
    writer.write(4 * MIB - 512, memoryview(b"both" * 256))
    writer.zero(MIB + 512, 512)
    writer.finish()
    expected[: 4 * MIB] = bytes(4 * MIB)
    expected[MIB : MIB + 512] = b"over" * 128
    expected[4 * MIB - 512 : 4 * MIB + 512] = b"both" * 256
    _assert_read_alike(child, form, below, bytes(expected))


@pytest.mark.parametrize("form", FORMATS)
def test_child_that_was_never_written_to(form: DiskFormat, tmp_path: Path) -> None:
    parent, child = _parent(form, tmp_path), tmp_path / f"child.{SUFFIXES[form]}"
    below = bytes(_content(parent))
    create_child(child, parent, form).finish()
    _assert_read_alike(child, form, below, below)


@pytest.mark.parametrize("form", FORMATS)
def test_copy_stores_only_what_differs(form: DiskFormat, tmp_path: Path) -> None:
    parent, child = _parent(form, tmp_path), tmp_path / f"child.{SUFFIXES[form]}"
    content, changed = _content(parent), tmp_path / "changed.raw"
    original = bytes(content)
    content[3 * MIB + 70_000 : 3 * MIB + 70_100] = b"x" * 100
    content[:MIB] = bytes(MIB)
    changed.write_bytes(content)
    with open_disk(parent) as below, open_disk(changed) as source:
        base = tree_hash(below)
        manifest = copy(source, create_child(child, parent, form), base=base)
    _assert_read_alike(child, form, original, bytes(content))
    with open_disk(child) as reader:
        assert tree_hash(reader).root == manifest.root
    assert child.stat().st_blocks * 512 < 2 * MIB


@pytest.mark.parametrize("form", FORMATS)
def test_abort_leaves_nothing(form: DiskFormat, tmp_path: Path) -> None:
    parent = _parent(form, tmp_path)
    writer = create_child(tmp_path / "child", parent, form)
    writer.write(0, memoryview(bytes(512)))
    with pytest.raises(UnsupportedError):
        writer.write(10, memoryview(bytes(512)))
    writer.abort()
    assert list(tmp_path.iterdir()) == [parent]


@pytest.mark.parametrize(
    ("below", "form"),
    [
        (DiskFormat.VHDX, DiskFormat.VHD),
        (DiskFormat.RAW, DiskFormat.VHDX),
        (DiskFormat.RAW, DiskFormat.VMDK),
    ],
)
def test_parents_of_another_format(below: DiskFormat, form: DiskFormat, tmp_path: Path) -> None:
    parent = _parent(below, tmp_path)
    with pytest.raises(UnsupportedError):
        create_child(tmp_path / "child", parent, form)
    assert list(tmp_path.iterdir()) == [parent]


def _nested(form: DiskFormat, folder: Path, windows: str) -> tuple[Path, Path]:
    """A parent, and an empty child in a folder beside it."""
    (folder / "masters").mkdir()
    (folder / "children").mkdir()
    parent = _parent(form, folder / "masters")
    child = folder / "children" / f"child.{SUFFIXES[form]}"
    writer = create_child(child, parent, form, windows_path=windows)
    writer.write(MIB, memoryview(b"child" * 512)[:1024])
    writer.finish()
    return parent, child


def test_fields_of_a_differencing_vhd(tmp_path: Path) -> None:
    """ "Dynamic Disk Header Format" and "Parent Locator Entry" of the VHD specification."""
    parent, child = _nested(DiskFormat.VHD, tmp_path, "D:\\vm\\masters\\base.vhd")
    above, data = parent.read_bytes(), child.read_bytes()
    footer, header = data[:512], data[512:1536]
    assert footer == data[-512:]
    assert footer[60:64] == struct.pack(">I", 4)
    assert footer[48:56] == above[48:56], "the size is the parent's"
    assert footer[68:84] != above[-512:][68:84], "but not the unique id"
    assert header[40:56] == above[-512:][68:84], "the parent's unique id"
    (modified,) = struct.unpack_from(">I", header, 56)
    assert modified == int(parent.stat().st_mtime) - YEAR_2000
    assert header[64:576].decode("utf-16-be").rstrip("\0") == "D:\\vm\\masters\\base.vhd"
    found = []
    for index in range(8):
        code, space, length, spare, offset = struct.unpack_from(">4sIIIQ", header, 576 + 24 * index)
        if code == bytes(4):
            assert (space, length, offset) == (0, 0, 0)
            continue
        assert spare == 0
        assert offset % 512 == 0
        assert length <= space * 512
        found.append((code, data[offset : offset + length].decode("utf-16-le")))
    relative = "..\\masters\\base.vhd"
    assert found == [(b"W2ru", relative), (b"W2ku", "D:\\vm\\masters\\base.vhd")]
    (table,) = struct.unpack_from(">Q", header, 16)
    entries = struct.unpack_from(">5I", data, table)
    assert entries[1:] == (0xFFFFFFFF,) * 4
    bitmap = data[entries[0] * 512 :][:512]
    assert bitmap == bytes(256) + b"\xc0" + bytes(255), "sectors 2048 and 2049"


def test_fields_of_a_differencing_vhdx(tmp_path: Path) -> None:
    """[MS-VHDX] 2.5.1 and 2.6.2.6."""
    parent, child = _nested(DiskFormat.VHDX, tmp_path, "D:\\vm\\masters\\base.vhdx")
    data = child.read_bytes()
    linkage = uuid.UUID(bytes_le=parent.read_bytes()[65536 + 32 : 65536 + 48])
    assert data[65536 + 32 : 65536 + 48] != linkage.bytes_le
    items = {}
    for index in range(6):
        guid, offset, length, flags, _ = struct.unpack_from(
            "<16sIIII", data, 2 * MIB + 32 + 32 * index
        )
        items[str(uuid.UUID(bytes_le=guid))] = flags, data[2 * MIB + offset :][:length]
    flags, parameters = items["caa16737-fa36-4d43-b3b6-33f0aa44e76b"]
    assert struct.unpack("<II", parameters) == (2 * MIB, 2), "it has a parent"
    flags, locator = items["a8d35f2d-b30b-454d-abf7-d3d84834ab0c"]
    assert flags == 4
    assert locator[:16] == uuid.UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913").bytes_le
    assert struct.unpack_from("<HH", locator, 16) == (0, 3)
    pairs = []
    for index in range(3):
        key, value, keys, values = struct.unpack_from("<IIHH", locator, 20 + 12 * index)
        parts = locator[key : key + keys], locator[value : value + values]
        pairs.append(tuple(part.decode("utf-16-le") for part in parts))
    assert pairs == [
        ("parent_linkage", f"{{{linkage}}}"),
        ("relative_path", "..\\masters\\base.vhdx"),
        ("absolute_win32_path", "\\\\?\\D:\\vm\\masters\\base.vhdx"),
    ]
    ratio = (1 << 23) * 512 // (2 * MIB)
    table = struct.unpack_from(f"<{ratio + 1}Q", data, 3 * MIB)
    assert [index for index, entry in enumerate(table) if entry] == [0, ratio]
    assert (table[0] & 7, table[ratio] & 7) == (7, 6)
    bitmap = data[table[ratio] >> 20 << 20 :][:MIB]
    assert bitmap == bytes(256) + b"\x03" + bytes(MIB - 257), "sectors 2048 and 2049"
    offsets = sorted(table[index] >> 20 for index in (0, ratio))
    assert all(two - one >= 1 for one, two in pairwise(offsets))
    assert len(data) % MIB == 0


def test_qcow2_names_its_parent_from_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, child = _nested(DiskFormat.QCOW2, tmp_path, "")
    said = qemu.run("qemu-img", "info", child)
    assert "backing file: ../masters/base.qcow2" in said
    assert "backing file format: qcow2" in said
    monkeypatch.chdir(tmp_path.parent)
    expected = _content(parent)
    expected[MIB : MIB + 1024] = (b"child" * 512)[:1024]
    assert qemu.content(child, "qcow2") == expected


def test_vhdx_bitmaps_of_several_chunks(tmp_path: Path) -> None:
    """A bitmap block is about 4 GiB; each chunk that has a block in part has its own."""
    parent, child = tmp_path / "base.vhdx", tmp_path / "child.vhdx"
    size, gib = 13 << 30, 1 << 30
    writer = create_disk(parent, DiskFormat.VHDX, size)
    for at in (0, 5 * gib, 12 * gib):
        writer.write(at, memoryview(b"parent!!" * 512))
    writer.finish()
    over = create_child(child, parent, DiskFormat.VHDX)
    for at in (512, 12 * gib + 1024, size - 512):
        over.write(at, memoryview(b"child!!!" * 64))
    over.zero(5 * gib, 512)
    over.finish()
    with open_disk(child) as reader:
        for at, expected in (
            (0, b"parent!!" * 64 + b"child!!!" * 64 + b"parent!!" * 384),
            (5 * gib, bytes(512) + b"parent!!" * 448),
            (12 * gib, b"parent!!" * 128 + b"child!!!" * 64 + b"parent!!" * 320),
            (size - 1024, bytes(512) + b"child!!!" * 64),
        ):
            buffer = bytearray(len(expected))
            reader.read_into(at, buffer)
            assert buffer == expected
    assert libyal.read(child, DiskFormat.VHDX, [parent], 12 * gib, 4096) == (
        b"parent!!" * 128 + b"child!!!" * 64 + b"parent!!" * 320
    )
