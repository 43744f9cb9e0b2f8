"""Differencing VHD and VHDX disks: content, and parents that are missing or are not the parent."""

from __future__ import annotations

import random
import uuid
from pathlib import Path

import pytest

from imageport.disk.base import DiskReader, ExtentKind
from imageport.disk.errors import BackingMismatchError, BackingMissingError, BackingRefusedError
from imageport.disk.open import open_disk
from tests.unit.disk import builders

MIB = builders.MIB
SIZE = 5 * MIB + 512 * 3
PARENT, CHILD, GRANDCHILD = (uuid.UUID(int=number) for number in (11, 12, 13))


def _content(reader: DiskReader) -> bytes:
    buffer = bytearray(reader.size)
    for at in range(0, reader.size, 700_000):
        reader.read_into(at, memoryview(buffer)[at : at + 700_000])
    return bytes(buffer)


def _sectors(seed: int, count: int) -> dict[int, bytes]:
    source = random.Random(seed)
    numbers = [source.randrange(SIZE // 512) for _ in range(count)]
    numbers += [number + 1 for number in numbers if (number + 1) * 512 < SIZE]
    return {number: source.randbytes(512) for number in numbers}


def _applied(base: bytes, sectors: dict[int, bytes]) -> bytes:
    data = bytearray(base)
    for number, content in sectors.items():
        data[number * 512 : (number + 1) * 512] = content
    return bytes(data)


@pytest.fixture
def base() -> bytes:
    return random.Random(1).randbytes(SIZE)


def test_vhd_chain(tmp_path: Path, base: bytes) -> None:
    one, two = _sectors(2, 40), _sectors(3, 40)
    builders.fixed_vhd(tmp_path / "base.vhd", base, PARENT)
    relative = (b"W2ru", ".\\base.vhd".encode("utf-16-le"))
    builders.differencing_vhd(
        tmp_path / "a.avhd", SIZE, one, CHILD, (PARENT, "C:\\elsewhere\\gone.vhd"), locator=relative
    )
    builders.differencing_vhd(tmp_path / "b.avhd", SIZE, two, GRANDCHILD, (CHILD, "D:\\vm\\a.avhd"))
    with open_disk(tmp_path / "b.avhd") as reader:
        assert _content(reader) == _applied(_applied(base, one), two)
        assert [extent.kind for extent in reader.extents()] == [ExtentKind.DATA]


def test_vhdx_chain(tmp_path: Path, base: bytes) -> None:
    whole = {number: base[number * MIB : (number + 1) * MIB] for number in (0, 1, 4, 5)}
    builders.vhdx(tmp_path / "base.vhdx", SIZE, whole, PARENT)
    partial = {0: {0: b"a" * 512, 9: b"b" * 512, 2047: b"c" * 512}, 3: {7: b"d" * 512}}
    parent = (PARENT, ".\\base.vhdx")
    replaced = {4: b"e" * MIB}
    builders.vhdx(tmp_path / "c.avhdx", SIZE, replaced, CHILD, partial=partial, parent=parent)
    expected = bytearray(base)
    expected[2 * MIB : 4 * MIB] = bytes(2 * MIB)
    expected[4 * MIB : 5 * MIB] = b"e" * MIB
    for number, sectors in partial.items():
        for within, content in sectors.items():
            at = number * MIB + within * 512
            expected[at : at + 512] = content
    with open_disk(tmp_path / "c.avhdx") as reader:
        assert _content(reader) == bytes(expected)
        for extent in reader.extents():
            if extent.kind is not ExtentKind.DATA:
                assert not any(expected[extent.offset : extent.end])


def test_vhdx_with_sectors_of_4_kib(tmp_path: Path) -> None:
    builders.vhdx(tmp_path / "base.vhdx", 3 * MIB, {0: b"p" * MIB}, PARENT, sector=4096)
    builders.vhdx(
        tmp_path / "c.avhdx",
        3 * MIB,
        {},
        CHILD,
        partial={0: {3: b"q" * 4096}},
        parent=(PARENT, "base.vhdx"),
        sector=4096,
    )
    with open_disk(tmp_path / "c.avhdx") as reader:
        content = _content(reader)
    assert content[: 3 * 4096] == b"p" * 3 * 4096
    assert content[3 * 4096 : 5 * 4096] == b"q" * 4096 + b"p" * 4096


def test_parent_missing(tmp_path: Path) -> None:
    builders.differencing_vhd(tmp_path / "a.avhd", SIZE, {}, CHILD, (PARENT, "base.vhd"))
    builders.vhdx(tmp_path / "a.avhdx", SIZE, {}, CHILD, parent=(PARENT, "base.vhdx"))
    for name in ("a.avhd", "a.avhdx"):
        with pytest.raises(BackingMissingError):
            open_disk(tmp_path / name)


def test_parent_is_another_disk(tmp_path: Path, base: bytes) -> None:
    builders.fixed_vhd(tmp_path / "base.vhd", base, GRANDCHILD)
    builders.vhdx(tmp_path / "base.vhdx", SIZE, {}, GRANDCHILD)
    builders.differencing_vhd(tmp_path / "a.avhd", SIZE, {}, CHILD, (PARENT, "base.vhd"))
    builders.vhdx(tmp_path / "a.avhdx", SIZE, {}, CHILD, parent=(PARENT, "base.vhdx"))
    for name in ("a.avhd", "a.avhdx"):
        with pytest.raises(BackingMismatchError) as caught:
            open_disk(tmp_path / name)
        assert caught.value.data["found"] == str(GRANDCHILD)


def test_parent_outside_is_refused_and_may_be_allowed(tmp_path: Path, base: bytes) -> None:
    (tmp_path / "vm").mkdir()
    builders.fixed_vhd(tmp_path / "base.vhd", base, PARENT)
    child = tmp_path / "vm" / "a.avhd"
    locator = (b"W2ru", "..\\base.vhd".encode("utf-16-le"))
    builders.differencing_vhd(child, SIZE, {}, CHILD, (PARENT, ""), locator=locator)
    with pytest.raises(BackingRefusedError):
        open_disk(child)
    with open_disk(child, allow_backing=[tmp_path]) as reader:
        assert _content(reader) == base


def test_loop_is_refused(tmp_path: Path) -> None:
    builders.differencing_vhd(tmp_path / "a.avhd", SIZE, {}, CHILD, (CHILD, "a.avhd"))
    with pytest.raises(BackingRefusedError) as caught:
        open_disk(tmp_path / "a.avhd")
    assert "itself" in caught.value.message


def test_chain_that_is_too_deep(tmp_path: Path) -> None:
    for level in range(1, 80):
        names = f"{level}.avhd", f"{level - 1}.avhd"
        builders.differencing_vhd(tmp_path / names[0], MIB, {}, CHILD, (CHILD, names[1]), block=MIB)
    with pytest.raises(BackingRefusedError) as caught:
        open_disk(tmp_path / "79.avhd")
    assert "more than" in caught.value.message
