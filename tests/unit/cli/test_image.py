"""`imageport image`, as a user types it."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from imageport.cli.main import application

MIB = 1024 * 1024
SIZE = 9 * MIB + 512


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "master.raw"
    with open(path, "wb") as file:
        file.truncate(SIZE)
        file.seek(3 * MIB)
        file.write(random.Random(1).randbytes(2 * MIB))
    return path


def run(*argv: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(application(), ["image", *map(str, argv)])
    assert done.exit_code == code, done.output
    return done.stdout


def said(*argv: str | Path, code: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(*argv, "--json", code=code))
    return answer


@pytest.mark.parametrize("name", ["a.vhd", "a.vhdx", "a.qcow2", "a.img"])
def test_convert_takes_the_format_from_the_name(name: str, raw: Path, tmp_path: Path) -> None:
    target = tmp_path / name
    done = said("convert", raw, target, "--verify")
    assert done["root"] == said("hash", raw)["root"] == said("hash", target)["root"]
    assert said("info", target)["virtual_size"] == SIZE
    assert said("compare", raw, target)["identical"]


@pytest.mark.parametrize(
    ("name", "form", "size"),
    [("azure.vhd", "vhd-fixed", 10 * MIB), ("stream.vmdk", "vmdk", 9 * MIB + 65536)],
)
def test_convert_to_a_format_that_rounds_up(
    name: str, form: str, size: int, raw: Path, tmp_path: Path
) -> None:
    target = tmp_path / name
    assert said("convert", raw, target, "--format", form)["root"] is None
    target.unlink()
    done = said("convert", raw, target, "--format", form, "--verify")
    assert done["virtual_size"] == size
    assert done["root"] == said("hash", target)["root"]
    assert said("info", target)["format"] == form


def test_convert_to_a_block_size(raw: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.vhdx"
    run("convert", raw, target, "--block-size", "16")
    (parameters,) = struct.unpack_from("<I", target.read_bytes(), 2 * MIB + 65536)
    assert parameters == 16 * MIB
    assert said("compare", raw, target)["identical"]
    error = said("convert", raw, tmp_path / "out.qcow2", "--block-size", "16", code=1)["error"]
    assert error["code"] == "disk.unsupported"


def test_convert_to_an_archive(raw: Path, tmp_path: Path) -> None:
    done = said("convert", raw, tmp_path / "gcp.tar.gz")
    assert done["format"] == "tar.gz"
    assert done["virtual_size"] == 1024 * MIB


def test_convert_refuses_what_it_cannot_do(raw: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    cases = {
        ("convert", raw, tmp_path / "out.iso"): "disk.format-unknown",
        ("convert", raw, raw): "disk.exists",
        ("convert", tmp_path / "none.raw", tmp_path / "out.vhd"): "disk.unreadable",
        ("convert", raw, tmp_path / "none" / "out.vhd"): "disk.unwritable",
        ("hash", tmp_path / "none.raw"): "disk.unreadable",
        ("compare", raw, tmp_path / "none.raw"): "disk.unreadable",
    }
    for argv, code in cases.items():
        error = said(*argv, code=1)["error"]
        assert error["code"] == code
        assert error["sentence"]
        assert error["remedy"]
    assert sorted(tmp_path.iterdir()) == before


def test_compare_finds_a_flipped_byte(raw: Path, tmp_path: Path) -> None:
    target, manifest = tmp_path / "copy.raw", tmp_path / "master.manifest"
    run("convert", raw, target)
    run("hash", raw, "--manifest", manifest)
    with open(target, "r+b") as file:
        file.seek(4 * MIB + 77)
        byte = file.read(1)[0]
        file.seek(4 * MIB + 77)
        file.write(bytes([byte ^ 1]))
    found = said("compare", raw, target, code=1)
    assert not found["identical"]
    assert found["first_byte"] == 4 * MIB + 77
    assert found["differences"] == [{"offset": 4 * MIB, "length": 512 * 1024}]
    by_manifest = said("compare", manifest, target, code=1)
    assert by_manifest["differences"] == found["differences"]
    assert by_manifest["first_byte"] is None
    assert "The first byte that differs is at 4194381" in run("compare", raw, target, code=1)


def test_compare_of_different_sizes(raw: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.raw"
    longer.write_bytes(raw.read_bytes() + bytes(MIB))
    found = said("compare", raw, longer, code=1)
    assert found["virtual_sizes"] == [SIZE, SIZE + MIB]
    assert found["differences"][-1]["offset"] + found["differences"][-1]["length"] == SIZE + MIB


def test_info_for_a_person(raw: Path) -> None:
    text = run("info", raw)
    assert "Virtual size" in text
    assert f"({SIZE} bytes)" in text
