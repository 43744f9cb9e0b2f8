"""kill -9 of a migration at the beginning and end of every step: run again, it goes on.

One migration is killed at each point in turn and run again, so that each resume is of a state that
an earlier one has resumed. What it makes is compared with an undisturbed run's, file by file and
registry value by registry value: the guests themselves write times and logs, so whole-disk hashes
of two runs never agree.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from imageport.jobs.folder import all_jobs
from imageport.jobs.proof import read_proof
from imageport.model.target import DiskFormat, Firmware
from imageport.platforms.local.machine import running
from lab.guests import LinuxMaster, WindowsMaster, driver_library, export, master
from tests.chaos.content import linux_content, windows_content
from tests.system.command import assert_nothing_left, imageport, sha256, started

pytestmark = pytest.mark.timeout(2400)

_POINTS = (
    r"engine: started",
    r"engine: done",
    r"inspect: started",
    r"inspect: done",
    r"hash: started",
    r"hash: done",
    r"prepare: started",
    r"prepare: done",
    r"boot: started",
    r"progress: .* s ",
    r"progress: .* s .*(build|driver|boot)",
    r"boot: done",
    r"verify: started",
    r"verify: done",
    r"write: started",
    r"write: done",
    r"read-back: started",
    r"read-back: done",
    r"prove: started",
)


def _killed_at(pattern: str, arguments: list[str], log: list[str]) -> bool:
    """Run until a line matches, kill -9; false when it ended before."""
    with started(*arguments) as process:
        for line in process.stderr or ():
            log.append(line)
            if re.search(pattern, line):
                os.kill(process.pid, signal.SIGKILL)
                return True
    return False


def test_killed_everywhere_and_run_again(tmp_path: Path) -> None:
    source = tmp_path / "in" / "master.vhdx"
    source.parent.mkdir()
    export(master(WindowsMaster(Firmware.BIOS)), source, DiskFormat.VHDX)
    before = sha256(source)
    library = driver_library(tmp_path / "drivers")
    output = source.parent / "out.qcow2"

    def arguments(to: Path) -> list[str]:
        return [
            *("migrate", str(source), "--to", "ahv", "--output", str(to)),
            *("--drivers", str(library), "--no-untouched"),
        ]

    log: list[str] = []
    hit = [point for point in _POINTS if _killed_at(point, arguments(output), log)]
    assert len(hit) >= 12, (hit, log)
    assert [job for job in all_jobs() if str(source) in (job.path / "request.json").read_text()]
    done = imageport(*arguments(output))
    assert done.returncode == 0, (done.stderr, log)

    assert sha256(source) == before
    assert_nothing_left(source.parent, source, output.name, f"{output.name}.proof")
    undisturbed = tmp_path / "undisturbed.qcow2"
    assert imageport(*arguments(undisturbed)).returncode == 0
    assert read_proof(output).source == read_proof(undisturbed).source
    assert read_proof(output).preparation.changes == read_proof(undisturbed).preparation.changes
    assert windows_content(output) == windows_content(undisturbed)


@pytest.mark.slow
def test_linux_killed_and_run_again(tmp_path: Path) -> None:
    source = tmp_path / "in" / "master.vmdk"
    source.parent.mkdir()
    export(master(LinuxMaster(Firmware.BIOS)), source, DiskFormat.VMDK)
    before = sha256(source)
    output, undisturbed = source.with_name("out.qcow2"), tmp_path / "undisturbed.qcow2"
    arguments = ["migrate", str(source), "--to", "ahv", "--no-untouched", "--output"]
    points = ("prepare: started", "boot: started", "verify: started", "write: started")
    for point in points:
        assert _killed_at(point, [*arguments, str(output)], [])
    assert imageport(*arguments, str(output)).returncode == 0
    assert sha256(source) == before
    assert_nothing_left(source.parent, source, output.name, f"{output.name}.proof")
    assert imageport(*arguments, str(undisturbed)).returncode == 0
    assert read_proof(output).preparation.changes == read_proof(undisturbed).preparation.changes
    assert linux_content(output, tmp_path / "a") == linux_content(undisturbed, tmp_path / "b")


def test_lost_machine_begins_that_part_again(tmp_path: Path) -> None:
    source = tmp_path / "master.vhdx"
    export(master(WindowsMaster(Firmware.BIOS)), source, DiskFormat.VHDX)
    output = tmp_path / "out.raw"
    arguments = [
        *("migrate", str(source), "--to", "aws", "--output", str(output), "--no-untouched"),
    ]
    killed = False
    lines = []
    with started(*arguments) as process:
        for line in process.stderr or ():
            lines.append(line)
            if "boot: started" in line and not killed:
                killed = True
                _kill_machines(source)
    assert process.returncode == 0, lines
    assert any("Starting that part again" in line for line in lines), lines
    assert_nothing_left(tmp_path, source, output.name, f"{output.name}.proof")


def test_leftovers_of_a_kill_are_listed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "master.qcow2"
    export(master(WindowsMaster(Firmware.BIOS)), source, DiskFormat.QCOW2)
    # A state folder of its own: what other tests were killed in is not this test's to remove.
    home = tmp_path.with_name(f"{tmp_path.name}-home")
    home.mkdir()
    (home / "cache").symlink_to(Path(os.environ["IMAGEPORT_HOME"]) / "cache")
    monkeypatch.setenv("IMAGEPORT_HOME", str(home))
    output = tmp_path / "out.raw"
    arguments = ["migrate", str(source), "--to", "aws", "--output", str(output)]
    assert _killed_at("inspect: done", arguments, [])

    found = json.loads(imageport("leftovers", "list", "--json").stdout)
    assert {each["kind"] for each in found} == {"machine", "files"}
    removed = json.loads(imageport("leftovers", "remove", "--json").stdout)
    assert removed == found
    assert json.loads(imageport("leftovers", "list", "--json").stdout) == []
    assert not list(running())
    assert_nothing_left(tmp_path, source)


def _kill_machines(source: Path) -> None:
    (job,) = [
        job.id for job in all_jobs() if str(source) in (job.path / "request.json").read_text()
    ]
    for pid, owner, _ in running():
        if owner == job:
            os.kill(pid, signal.SIGKILL)
