"""What goes wrong around a running migration: a clear end, the source untouched, nothing left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imageport.model.target import DiskFormat, Firmware
from lab.guests import WindowsMaster, export, master
from tests.system.command import (
    assert_home_is_empty,
    assert_nothing_left,
    error_of,
    imageport,
    sha256,
    started,
)

pytestmark = pytest.mark.timeout(1200)

_IN_THE_BOOT = r"progress: \d+ s "
_SHORT = ("write: started", "prove: started")
"""Steps of a small image that may have ended, all else too, before a signal arrives."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A master that boots on AWS hardware once it is prepared."""
    path = tmp_path / "in" / "master.qcow2"
    path.parent.mkdir()
    export(master(WindowsMaster(Firmware.UEFI)), path, DiskFormat.QCOW2)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with little more room than an output needs."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def _migrate(source: Path, output: Path) -> tuple[str | Path, ...]:
    return "migrate", source, "--to", "aws", "--output", output, "--no-untouched", "--json"


def _disturbed(
    arguments: tuple[str | Path, ...], pattern: str, disturb: Callable[[int], None]
) -> subprocess.CompletedProcess[str]:
    """Run; call `disturb` with the process id when a line of the progress matches.

    The process stands still meanwhile: what is disturbed is what the line tells of.
    """
    lines = []
    with started(*arguments) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        pending = True
        for line in process.stderr:
            lines.append(line)
            if pending and re.search(pattern, line):
                pending = False
                os.kill(process.pid, signal.SIGSTOP)
                disturb(process.pid)
                os.kill(process.pid, signal.SIGCONT)
        said = process.stdout.read()
    assert not pending, lines
    return subprocess.CompletedProcess((), process.returncode, said, "".join(lines))


@pytest.mark.parametrize(
    ("number", "pattern"),
    [
        (signal.SIGINT, _IN_THE_BOOT),
        (signal.SIGTERM, "prepare: started"),
        pytest.param(signal.SIGTERM, "boot: started", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "write: started", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "prove: started", marks=pytest.mark.slow),
    ],
    ids=[
        "interrupt-in-boot",
        "terminate-in-prepare",
        "terminate-in-boot",
        "interrupt-in-write",
        "interrupt-in-proof",
    ],
)
def test_stopped_by_its_user(
    tmp_path: Path, source: Path, own_home: Path, number: signal.Signals, pattern: str
) -> None:
    before = sha256(source)
    output = tmp_path / "in" / "out.raw"

    def impatiently(pid: int) -> None:
        # To the whole group, as a terminal does it.
        os.killpg(pid, signal.SIGCONT)
        os.killpg(pid, number)
        time.sleep(0.5)
        os.killpg(pid, number)

    done = _disturbed(_migrate(source, output), pattern, impatiently)
    assert sha256(source) == before
    assert_home_is_empty(own_home)
    if pattern in _SHORT and done.returncode == 0:
        # It came too late: everything was done, and that is what has to be said.
        assert_nothing_left(source.parent, source, output.name, f"{output.name}.proof")
        assert imageport("proof", "verify", str(output)).returncode == 0
        return
    assert done.returncode == 130, done.stderr
    assert "job.interrupted" in done.stdout
    assert_nothing_left(source.parent, source)


@pytest.mark.parametrize(
    ("pattern", "room", "code"),
    [
        ("write: started", 8 << 20, "disk.unwritable"),
        ("read-back: started", 0, "proof.unwritable"),
    ],
    ids=["in-the-middle-of-the-output", "before-the-proof"],
)
def test_disk_fills_up(
    source: Path, small: Path, *, own_home: Path, pattern: str, room: int, code: str
) -> None:
    before = sha256(source)
    filler = small / "somebody-elses"

    def fill(_: int) -> None:
        with filler.open("wb", buffering=0) as file:
            with pytest.raises(OSError, match="No space"):
                while True:
                    file.write(bytes(1 << 20))
            file.truncate(file.tell() - room)

    done = _disturbed(_migrate(source, small / "out.raw"), pattern, fill)
    error = error_of(done)
    assert error["code"] == code
    assert "No space left" in error["sentence"]
    assert [path.name for path in small.iterdir()] == [filler.name]
    assert sha256(source) == before
    assert_nothing_left(source.parent, source)
    assert_home_is_empty(own_home)


@pytest.mark.parametrize(
    "pattern",
    ["inspect: started", pytest.param(_IN_THE_BOOT, marks=pytest.mark.slow), "write: started"],
    ids=["in-inspect", "in-boot", "in-write"],
)
def test_source_is_written_to(source: Path, own_home: Path, pattern: str) -> None:
    content = bytearray(source.read_bytes())
    content[-1] ^= 0xFF

    def write(_: int) -> None:
        with source.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(content[-1:])

    output = source.with_name("out.raw")
    done = _disturbed(_migrate(source, output), pattern, write)
    error = error_of(done)
    assert error["code"] == "job.source-changed"
    assert str(source) in error["sentence"]
    assert source.read_bytes() == content, "only the other program has written to it"
    assert_nothing_left(source.parent, source)
    assert_home_is_empty(own_home)


def test_no_room_and_no_permission(source: Path, small: Path) -> None:
    (small / "somebody-elses").write_bytes(bytes(390 << 20))
    done = imageport(*_migrate(source, small / "out.raw"))
    assert error_of(done)["code"] == "job.no-space"
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    done = imageport(*_migrate(source, small / "out.raw"))
    assert error_of(done)["code"] == "job.output-folder"
    assert_nothing_left(source.parent, source)
