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
from tests.system.command import assert_nothing_left, error_of, imageport, sha256, started

pytestmark = pytest.mark.timeout(1200)


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
    """Run; call `disturb` with the process id when a line of the progress matches."""
    lines = []
    with started(*arguments) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        pending = True
        for line in process.stderr:
            lines.append(line)
            if pending and re.search(pattern, line):
                pending = False
                disturb(process.pid)
        said = process.stdout.read()
    assert not pending, lines
    return subprocess.CompletedProcess((), process.returncode, said, "".join(lines))


@pytest.mark.parametrize(
    ("number", "pattern"),
    [(signal.SIGINT, "prepare: started"), (signal.SIGTERM, "boot: started")],
    ids=["interrupt-in-prepare", "terminate-in-boot"],
)
def test_stopped_by_its_user(
    tmp_path: Path, source: Path, number: signal.Signals, pattern: str
) -> None:
    before = sha256(source)
    output = tmp_path / "in" / "out.raw"

    def impatiently(pid: int) -> None:
        os.kill(pid, number)
        time.sleep(0.5)
        os.kill(pid, number)

    done = _disturbed(_migrate(source, output), pattern, impatiently)
    assert done.returncode == 130, done.stderr
    assert "job.interrupted" in done.stdout
    assert sha256(source) == before
    assert_nothing_left(source.parent, source)


def test_disk_fills_up_while_the_output_is_written(
    tmp_path: Path, source: Path, small: Path
) -> None:
    filler = small / "somebody-elses"

    def fill(_: int) -> None:
        with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))

    done = _disturbed(_migrate(source, small / "out.raw"), "verify: started", fill)
    error = error_of(done)
    assert error["code"] == "disk.unwritable"
    assert "No space left" in error["sentence"]
    assert [path.name for path in small.iterdir()] == [filler.name]
    assert_nothing_left(source.parent, source)


def test_source_is_written_to(source: Path) -> None:
    def write(_: int) -> None:
        with source.open("ab") as file:
            file.write(bytes(512))

    done = _disturbed(_migrate(source, source.with_name("out.raw")), "inspect: started", write)
    assert error_of(done)["code"] == "job.source-changed"
    assert_nothing_left(source.parent, source)


def test_no_room_and_no_permission(source: Path, small: Path) -> None:
    (small / "somebody-elses").write_bytes(bytes(390 << 20))
    done = imageport(*_migrate(source, small / "out.raw"))
    assert error_of(done)["code"] == "job.no-space"
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    done = imageport(*_migrate(source, small / "out.raw"))
    assert error_of(done)["code"] == "job.output-folder"
    assert_nothing_left(source.parent, source)
