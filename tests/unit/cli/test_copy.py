"""`imageport image copy` between files: what goes on, what is refused, what is left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from imageport.cli.main import application

MIB = 1024 * 1024
SIZE = 9 * MIB


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    monkeypatch.setenv("IMAGEPORT_HOME", str(folder))
    yield folder
    assert not list((folder / "copies").glob("*/*"))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "master.raw"
    with open(path, "wb") as file:
        file.truncate(SIZE)
        file.seek(3 * MIB)
        file.write(random.Random(1).randbytes(2 * MIB))
    return path


def said(*argv: str | Path, code: int = 0) -> Any:
    done = CliRunner().invoke(application(), [*map(str, argv), "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_copy_is_read_back(raw: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.vhdx"
    done = said("image", "copy", raw, target, "--manifest", tmp_path / "out.manifest")
    assert done["read_back"]
    assert done["root"] == said("image", "hash", raw)["root"]
    assert said("image", "compare", tmp_path / "out.manifest", target)["identical"]


@pytest.mark.parametrize("name", ["out.vhdx", "out.vmdk"])
def test_overwrite(name: str, raw: Path, tmp_path: Path) -> None:
    target = tmp_path / name
    target.write_bytes(b"an older one")
    error = said("image", "copy", raw, target, code=1)["error"]
    assert error["code"] == "disk.exists"
    assert target.read_bytes() == b"an older one"
    said("image", "copy", raw, target, "--overwrite")
    assert said("image", "compare", raw, target)["identical"]


def test_only_changes_move(raw: Path, tmp_path: Path) -> None:
    target, manifest = tmp_path / "out.raw", tmp_path / "out.manifest"
    said("image", "copy", raw, target, "--manifest", manifest)
    with open(raw, "r+b") as file:
        file.seek(8 * MIB)
        file.write(b"new")
    done = said("image", "copy", raw, target, "--base", manifest)
    assert done["read_back"]
    assert target.read_bytes() == raw.read_bytes()


def test_a_base_that_is_not_true_is_found_out(raw: Path, tmp_path: Path) -> None:
    """The target changed since its manifest was made: reading back says so."""
    target, manifest = tmp_path / "out.raw", tmp_path / "out.manifest"
    said("image", "copy", raw, target, "--manifest", manifest)
    with open(target, "r+b") as file:
        file.seek(4 * MIB)
        file.write(b"not by us")
    error = said("image", "copy", raw, target, "--base", manifest, code=1)["error"]
    assert error["code"] == "job.output-differs"
    for folder in (tmp_path / "home" / "copies").iterdir():
        for path in folder.iterdir():
            path.unlink()


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("none.raw", "out.raw", "disk.unreadable"),
        ("master.raw", "out.iso", "disk.format-unknown"),
        ("master.raw", "master.raw", "disk.exists"),
        ("master.raw", "none/out.raw", "disk.unwritable"),
        ("master.raw", "ftp://host/out.raw", "end.address"),
        ("ftp://host/in.raw", "out.raw", "end.address"),
        ("master.raw", "https://host/out.raw", "end.address"),
        ("master.raw", "smb://host/share/out.vhdx", "end.credential"),
        ("master.raw", "ebs://eu-west-1/", "end.credential"),
        ("ebs://eu-west-1/", "out.raw", "end.address"),
        ("master.raw", "pageblob://host/c/b?sv=1&sig=hunter2", "end.address"),
    ],
)
def test_what_is_refused(  # noqa: PLR0917
    source: str,
    target: str,
    code: str,
    raw: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    error = said("image", "copy", source, target, code=1)["error"]
    assert error["code"] == code
    assert error["remedy"]
    assert "hunter2" not in json.dumps(error)
    assert {path.name for path in tmp_path.iterdir()} == {raw.name, "home"}


def _killed_copy(source: Path, target: Path) -> None:
    """Copy in a process of its own, and kill it once it has written something."""
    command = [str(Path(sys.executable).with_name("imageport")), "image", "copy"]
    process = subprocess.Popen([*command, str(source), str(target)], stderr=subprocess.DEVNULL)
    partial = target.with_name(target.name + ".partial")
    while process.poll() is None and not (partial.exists() and partial.stat().st_blocks):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.raw"
    path.write_bytes(os.urandom(256 * MIB))
    return path


def test_a_killed_copy_is_left_over_and_goes_on(large: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.vhd"
    _killed_copy(large, target)
    assert [(each["kind"], each["name"]) for each in said("leftovers", "list")] == [
        ("unfinished-copy", str(target))
    ]
    done = said("image", "copy", large, target)
    assert done["root"] == said("image", "hash", target)["root"]
    assert said("leftovers", "list") == []
    assert {path.name for path in tmp_path.iterdir()} == {large.name, target.name, "home"}


@pytest.mark.parametrize("way", [["leftovers", "remove"], ["image", "copy", "--drop"]])
def test_a_killed_copy_can_be_dropped(way: list[str], large: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.vhdx"
    _killed_copy(large, target)
    more = [str(large), str(target)] if "--drop" in way else []
    done = CliRunner().invoke(application(), [*way, *more])
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.iterdir()} == {large.name, "home"}
