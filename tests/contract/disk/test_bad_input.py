"""What a damaged or hostile image may say, case by case; `test_fuzz` finds the others."""

from __future__ import annotations

import struct
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from imageport.disk.errors import (
    BackingMissingError,
    BackingRefusedError,
    CorruptError,
    DiskError,
    TruncatedError,
    UnsupportedError,
)
from imageport.disk.open import open_disk
from tests.contract.disk import qemu
from tests.unit.disk import builders

MIB, KIB = qemu.MIB, 1024
SIZE = 6 * MIB
A, B = uuid.UUID(int=31), uuid.UUID(int=32)
FAR = 1 << 40


def _vhd(folder: Path) -> Path:
    """Three blocks of 1 MiB; the table is at 1536."""
    path = folder / "disk.vhd"
    sectors = dict.fromkeys((0, 2048, 3 * 2048), b"v" * 512)
    builders.fixed_vhd(folder / "base.vhd", bytes(SIZE), A)
    locator = (b"W2ru", ".\\base.vhd".encode("utf-16-le"))
    builders.differencing_vhd(path, SIZE, sectors, B, (A, ""), locator=locator, block=MIB)
    return path


def _vhdx(folder: Path) -> Path:
    """Two whole blocks and one with a bitmap; the table is at 3 MiB, the metadata at 2 MiB."""
    path = folder / "disk.vhdx"
    blocks = {0: b"x" * MIB, 1: b"y" * MIB}
    builders.vhdx(folder / "base.vhdx", SIZE, {}, A)
    partial = {3: {0: b"p" * 512}}
    builders.vhdx(path, SIZE, blocks, B, partial=partial, parent=(A, "base.vhdx"))
    return path


def _vmdk(folder: Path) -> Path:
    return _from_qemu(folder / "disk.vmdk", "vmdk", "subformat=monolithicSparse")


def _qcow2(folder: Path) -> Path:
    return _from_qemu(folder / "disk.qcow2", "qcow2", "cluster_size=4096")


def _from_qemu(path: Path, driver: str, options: str) -> Path:
    qemu.run("qemu-img", "create", "-q", "-f", driver, "-o", options, path, str(SIZE))
    writes = ["-c", "write -P 1 0 200k", "-c", "write -P 2 4M 200k"]
    qemu.run("qemu-io", "-f", driver, *writes, path)
    return path


MAKERS = {"vhd": _vhd, "vhdx": _vhdx, "vmdk": _vmdk, "qcow2": _qcow2}


def _number(path: Path, offset: int, kind: str) -> int:
    data = path.read_bytes()
    return int(struct.unpack_from(kind, data, offset)[0])


def _patch(path: Path, offset: int, kind: str, *values: int) -> None:
    """Write numbers, and make the checksums of VHD and VHDX right again."""
    data = bytearray(path.read_bytes())
    struct.pack_into(kind, data, offset, *values)
    if path.suffix == ".vhdx":
        for at, length in ((64, 4), (128, 4), (192, 64), (256, 64)):
            part = slice(at * KIB, (at + length) * KIB)
            data[part] = builders.seal(bytes(data[part]))
    if path.suffix == ".vhd":
        data[-512:] = data[:512]
        for start, length, field in ((0, 512, 64), (len(data) - 512, 512, 64), (512, 1024, 36)):
            data[start + field : start + field + 4] = bytes(4)
            checksum = builders.vhd_checksum(bytes(data[start : start + length]))
            struct.pack_into(">I", data, start + field, checksum)
    path.write_bytes(data)


def _refused(path: Path) -> DiskError:
    """The error of opening `path`, which comes at once."""
    started = time.monotonic()
    with pytest.raises(DiskError) as caught:
        open_disk(path)
    assert time.monotonic() - started < 5
    assert caught.value.data["file"] == str(path)
    return caught.value


def test_the_seeds_are_sound(tmp_path: Path) -> None:
    for make in MAKERS.values():
        path = make(tmp_path)
        if path.suffix in (".vhd", ".vhdx"):
            _patch(path, 0, "0B")
        with open_disk(path) as reader:
            assert qemu.read_all(reader).count(0) < SIZE


# Overlapping blocks


def _same_block(path: Path) -> None:
    """Two entries of the table become one."""
    at, kind = {".vhd": (1536, ">I"), ".vhdx": (3 * MIB, "<Q")}[path.suffix]
    _patch(path, at + struct.calcsize(kind), kind, _number(path, at, kind))


def _shifted_block(path: Path) -> None:
    """A block begins in the last sector of another."""
    _patch(path, 1540, ">I", _number(path, 1536, ">I") + (512 + MIB) // 512 - 1)


def _block_over_the_table(path: Path) -> None:
    at, kind, entry = {
        ".vhd": (1536, ">I", 1536 // 512),
        ".vhdx": (3 * MIB, "<Q", 3 * MIB | 6),
    }[path.suffix]
    _patch(path, at, kind, entry)


def _block_over_the_bitmap(path: Path) -> None:
    bitmap = _number(path, 3 * MIB + 4096 * 8, "<Q")
    _patch(path, 3 * MIB, "<Q", bitmap)


def _same_grain(path: Path) -> None:
    table = _grain_table(path)
    _patch(path, table + 4, "<I", _number(path, table, "<I"))


def _same_cluster(path: Path) -> None:
    table = _l2_table(path, 0)
    _patch(path, table + 8, ">Q", _number(path, table, ">Q"))


def _cluster_of_another_table(path: Path) -> None:
    _patch(path, _l2_table(path, 2), ">Q", _number(path, _l2_table(path, 0), ">Q"))


def _cluster_over_a_table(path: Path) -> None:
    _patch(path, _l2_table(path, 0), ">Q", _l2_table(path, 2) | 1 << 63)


def _grain_table(path: Path) -> int:
    directory = _number(path, 56, "<Q") * 512
    return _number(path, directory, "<I") * 512


def _l2_table(path: Path, index: int) -> int:
    """Offset of an L2 table, which 2 MiB of the disk have each."""
    return _number(path, _number(path, 40, ">Q") + 8 * index, ">Q") & ~(1 << 63)


@pytest.mark.parametrize(
    ("name", "damage", "structure"),
    [
        ("vhd", _same_block, "block allocation table"),
        ("vhd", _shifted_block, "block allocation table"),
        ("vhd", _block_over_the_table, "block allocation table"),
        ("vhdx", _same_block, "block allocation table"),
        ("vhdx", _block_over_the_table, "block allocation table"),
        ("vhdx", _block_over_the_bitmap, "block allocation table"),
        ("vmdk", _same_grain, "grain of table 0"),
        ("qcow2", _same_cluster, "cluster"),
        ("qcow2", _cluster_of_another_table, "cluster"),
        ("qcow2", _cluster_over_a_table, "L2 table"),
    ],
)
def test_overlap(name: str, damage: Callable[[Path], None], structure: str, tmp_path: Path) -> None:
    path = MAKERS[name](tmp_path)
    damage(path)
    error = _refused(path)
    assert isinstance(error, CorruptError)
    assert error.data["structure"] == structure
    assert 0 < error.data["offset"] < path.stat().st_size


# Tables past the end


@pytest.mark.parametrize(
    ("name", "place", "value", "structure"),
    [
        ("vhd", (16, ">Q"), FAR, "dynamic disk header"),
        ("vhd", (512 + 16, ">Q"), FAR, "block allocation table"),
        ("vhd", (512 + 576 + 16, ">Q"), FAR, "parent locator"),
        ("vhd", (1536, ">I"), 0x7FFFFFFF, "block 0"),
        ("vhdx", (3 * MIB, "<Q"), FAR | 6, "block 0"),
        ("vhdx", (3 * MIB + 4096 * 8, "<Q"), FAR | 6, "sector bitmap 4096"),
        ("vmdk", (56, "<Q"), FAR, "grain directory"),
        ("vmdk", (28, "<Q"), FAR, "VMDK descriptor"),
        ("qcow2", (40, ">Q"), FAR, "L1 table"),
        ("qcow2", (48, ">Q"), FAR, "refcount table"),
    ],
)
def test_past_the_end(
    name: str, place: tuple[int, str], value: int, structure: str, tmp_path: Path
) -> None:
    path = MAKERS[name](tmp_path)
    _patch(path, *place, value)
    error = _refused(path)
    assert isinstance(error, TruncatedError)
    assert error.data["structure"] == structure
    assert error.data["offset"] + error.data["needed"] > error.data["size"]


@pytest.mark.parametrize("index", [0, 1])
def test_vhdx_region_past_the_end(index: int, tmp_path: Path) -> None:
    path = _vhdx(tmp_path)
    for table in (192 * KIB, 256 * KIB):
        _patch(path, table + 16 + 32 * index + 16, "<Q", FAR)
    error = _refused(path)
    assert isinstance(error, TruncatedError)
    assert "region" in error.data["structure"]


def test_second_tables_past_the_end(tmp_path: Path) -> None:
    vmdk, qcow2 = _vmdk(tmp_path), _qcow2(tmp_path)
    _patch(vmdk, _number(vmdk, 56, "<Q") * 512, "<I", 0x7FFFFFFF)
    _patch(qcow2, _number(qcow2, 40, ">Q"), ">Q", FAR)
    for path, structure in ((vmdk, "grain table 0"), (qcow2, "L2 table")):
        error = _refused(path)
        assert isinstance(error, TruncatedError)
        assert error.data["structure"] == structure


def test_grains_beyond_the_disk_may_lie_anywhere(tmp_path: Path) -> None:
    """The last grain table is whole: entries past the disk's end are about nothing."""
    path = _vmdk(tmp_path)
    expected = qemu.content(path, "vmdk")
    for number in (SIZE // (64 * KIB), 511):
        _patch(path, _grain_table(path) + 4 * number, "<I", 0x7FFFFFFF)
    with open_disk(path) as reader:
        assert qemu.read_all(reader) == expected


def test_unused_vhdx_log_may_lie_anywhere(tmp_path: Path) -> None:
    path = _vhdx(tmp_path)
    for header in (64 * KIB, 128 * KIB):
        _patch(path, header + 72, "<Q", 1 << 62)
    with open_disk(path) as reader:
        assert reader.size == SIZE


# Absurd sizes


@pytest.mark.parametrize(
    ("name", "offset", "kind", "value"),
    [
        ("vhd", 48, ">Q", 1 << 62),
        ("vhd", 48, ">Q", 0),
        ("vhd", 48, ">Q", 513),
        ("vhd", 512 + 28, ">I", 1),
        ("vhd", 512 + 32, ">I", 0),
        ("vhd", 512 + 32, ">I", 3 * MIB),
        ("vhd", 512 + 32, ">I", 1 << 31),
        ("vhd", 512 + 576 + 8, ">I", 1 << 31),
        ("vhdx", 2 * MIB + 64 * KIB, "<I", 0),
        ("vhdx", 2 * MIB + 64 * KIB, "<I", 3 * MIB),
        ("vhdx", 2 * MIB + 64 * KIB, "<I", 1 << 31),
        ("vhdx", 2 * MIB + 64 * KIB + 8, "<Q", 1 << 62),
        ("vhdx", 2 * MIB + 64 * KIB + 8, "<Q", 0),
        ("vhdx", 2 * MIB + 64 * KIB + 16, "<I", 1 << 30),
        ("vhdx", 2 * MIB + 10, "<H", 0xFFFF),
        ("vmdk", 12, "<Q", 1 << 62),
        ("vmdk", 12, "<Q", 0),
        ("vmdk", 20, "<Q", 0),
        ("vmdk", 20, "<Q", 1 << 40),
        ("vmdk", 44, "<I", 0),
        ("vmdk", 44, "<I", 1 << 31),
        ("qcow2", 24, ">Q", 1 << 62),
        ("qcow2", 24, ">Q", 0),
        ("qcow2", 20, ">I", 63),
        ("qcow2", 36, ">I", 0),
        ("qcow2", 56, ">I", 1 << 31),
        ("qcow2", 100, ">I", 1 << 31),
    ],
)
def test_absurd_sizes(name: str, offset: int, kind: str, value: int, tmp_path: Path) -> None:
    path = MAKERS[name](tmp_path)
    _patch(path, offset, kind, value)
    assert isinstance(_refused(path), CorruptError | UnsupportedError | TruncatedError)


# Checksums


def _flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_vhd_header_checksum(tmp_path: Path) -> None:
    path = _vhd(tmp_path)
    _flip(path, 512 + 100)
    error = _refused(path)
    assert (error.data["structure"], error.data["offset"]) == ("dynamic disk header", 512)
    assert "checksum" in error.message


@pytest.mark.parametrize(
    ("first", "structure"), [(64 * KIB, "VHDX header"), (192 * KIB, "region table")]
)
def test_vhdx_copies(first: int, structure: str, tmp_path: Path) -> None:
    """One good copy is enough, whichever it is; with none there is nothing to trust."""
    path, second = _vhdx(tmp_path), first + 64 * KIB
    for damaged in (first, second):
        _flip(path, damaged + 40)
        open_disk(path).close()
        _flip(path, damaged + 40)
    _flip(path, first + 40)
    _flip(path, second + 40)
    error = _refused(path)
    assert (error.data["structure"], error.data["offset"]) == (structure, first)


# Chains


def _loop_of_vhd(one: Path, two: Path) -> None:
    builders.differencing_vhd(one, SIZE, {}, A, (B, two.name))
    builders.differencing_vhd(two, SIZE, {}, B, (A, one.name))


def _loop_of_vhdx(one: Path, two: Path) -> None:
    builders.vhdx(one, SIZE, {}, A, parent=(B, two.name))
    builders.vhdx(two, SIZE, {}, B, parent=(A, one.name))


def _loop_of_qcow2(one: Path, two: Path) -> None:
    qemu.run("qemu-img", "create", "-q", "-f", "qcow2", one, str(SIZE))
    over = ["-F", "qcow2", "-b"]
    qemu.run("qemu-img", "create", "-q", "-f", "qcow2", *over, one.name, two)
    qemu.run("qemu-img", "rebase", "-u", "-f", "qcow2", *over, two.name, one)


def _loop_of_vmdk(one: Path, two: Path) -> None:
    for path, cid, other, parent in ((one, 1, two, 2), (two, 2, one, 1)):
        path.write_text(_descriptor(f'parentFileNameHint="{other.name}"', cid, parent))


def _descriptor(line: str, cid: int = 1, parent: int = 2) -> str:
    head = f"# Disk DescriptorFile\nversion=1\nCID={cid:08x}\nparentCID={parent:08x}\n"
    return head + f'createType="custom"\n{line}\nRW 12288 ZERO\n'


@pytest.mark.parametrize(
    ("suffix", "make"),
    [
        ("avhd", _loop_of_vhd),
        ("avhdx", _loop_of_vhdx),
        ("qcow2", _loop_of_qcow2),
        ("vmdk", _loop_of_vmdk),
    ],
)
def test_loop_of_two(suffix: str, make: Callable[[Path, Path], None], tmp_path: Path) -> None:
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    make(one, two)
    with pytest.raises(BackingRefusedError) as caught:
        open_disk(one)
    assert "itself" in caught.value.message
    assert caught.value.data["file"] == str(two)


TRAVERSALS = ["..\\base", "..\\..\\etc\\base", "sub\\..\\..\\base", "/etc/hostname"]
"""Names that lead out of the folder, as Windows and as POSIX write them."""
ELSEWHERE = ["C:\\base", "\\\\server\\share\\base", "\\\\?\\D:\\vm\\base"]
"""Of these only the last part means anything here: a file beside, which there is not."""


@pytest.mark.parametrize("name", TRAVERSALS + ELSEWHERE)
@pytest.mark.parametrize("kind", ["vhd", "vhdx", "vmdk", "extent"])
def test_parents_elsewhere(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(bytes(SIZE))
    folder = tmp_path / "vm"
    folder.mkdir()
    path = folder / "disk.img"
    match kind:
        case "vhd":
            builders.differencing_vhd(path, SIZE, {}, B, (A, name))
        case "vhdx":
            builders.vhdx(path, SIZE, {}, B, parent=(A, name))
        case "vmdk":
            path.write_text(_descriptor(f'parentFileNameHint="{name}"'))
        case "extent":
            name = name.replace("\\", "/")
            path.write_text(_descriptor(f'RW 12288 FLAT "{name}" 0', parent=0xFFFFFFFF))
    error = _refused(path)
    assert isinstance(error, BackingRefusedError) or (
        name in ELSEWHERE and isinstance(error, BackingMissingError)
    )
