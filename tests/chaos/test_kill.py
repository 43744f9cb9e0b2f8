"""kill -9 of a migration at the beginning, in the middle and at the end of every step: it goes on.

One migration is killed at each point in turn and run again, so that each resume is of a state that
an earlier one has resumed. What it makes is compared with an undisturbed run's, file by file and
registry value by registry value: the guests themselves write times and logs, so whole-disk hashes
of two undisturbed runs never agree either.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from imageport.jobs.folder import all_jobs
from imageport.jobs.proof import read_proof
from imageport.model.proof import Proof
from imageport.model.target import DiskFormat, Firmware
from imageport.platforms.local.machine import running
from lab.guests import LinuxMaster, WindowsMaster, driver_library, export, master
from tests.chaos.content import content
from tests.chaos.killing import killed_at
from tests.system.command import (
    assert_home_is_empty,
    assert_nothing_left,
    imageport,
    request_of,
    sha256,
    started,
)

pytestmark = pytest.mark.timeout(2400)

_POINTS = (
    ("engine: started", 0),
    ("engine: started", 2),
    ("engine: done", 0),
    ("inspect: started", 0),
    ("inspect: done", 0),
    ("hash: started", 0.05),
    ("hash: done", 0),
    ("prepare: started", 0),
    ("prepare: started", 0.5),
    ("prepare: done", 0),
    ("boot: started", 0),
    (r"progress: \d+ s ", 0),
    (r"progress: \d+ s .*(build|driver|boot)", 0),
    ("boot: done", 0),
    ("verify: started", 0),
    ("verify: done", 0),
    ("write: started", 0),
    ("write: started", 0.1),
    ("write: done", 0),
    ("read-back: started", 0.05),
    ("read-back: done", 0),
    ("prove: started", 0),
)
"""A line of the progress, and how many seconds after it."""


@pytest.mark.parametrize(
    "spec",
    [
        WindowsMaster(Firmware.BIOS),
        pytest.param(LinuxMaster(Firmware.BIOS), marks=pytest.mark.slow),
    ],
    ids=["windows", "linux"],
)
def test_killed_everywhere_and_run_again(
    tmp_path: Path, own_home: Path, spec: WindowsMaster | LinuxMaster
) -> None:
    source = tmp_path / "in" / "master.vhdx"
    source.parent.mkdir()
    export(master(spec), source, DiskFormat.VHDX)
    before = sha256(source)
    library = driver_library(tmp_path / "drivers")
    output, undisturbed = source.with_name("out.qcow2"), tmp_path / "undisturbed.qcow2"
    arguments = [
        *("migrate", str(source), "--to", "ahv", "--drivers", str(library)),
        *("--no-untouched", "--output"),
    ]

    log: list[str] = []
    *most, last = [
        killed_at(pattern, [*arguments, str(output)], log, after=after)
        for pattern, after in _POINTS
    ]
    assert sum(most) >= len(_POINTS) - 3, log
    if last:  # the last step is short: it may have ended in time
        done = imageport(*arguments, str(output))
        assert done.returncode == 0, (done.stderr, log)
    assert sha256(source) == before
    assert_nothing_left(source.parent, source, output.name, f"{output.name}.proof")
    assert_home_is_empty(own_home)

    assert imageport(*arguments, str(undisturbed)).returncode == 0
    proof, plain = read_proof(output), read_proof(undisturbed)
    assert isinstance(proof, Proof)
    assert isinstance(plain, Proof)
    assert proof.source == plain.source
    assert proof.preparation.changes == plain.preparation.changes
    one, other = content(output, tmp_path / "one"), content(undisturbed, tmp_path / "other")
    assert len(one) > 500
    assert {name: (one.get(name), other.get(name)) for name in _unlike(one, other)} == {}


def _unlike(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name, _ in one.items() ^ other.items()}


@pytest.mark.parametrize("step", [pytest.param("prepare", marks=pytest.mark.slow), "boot"])
def test_lost_machine_begins_that_part_again(tmp_path: Path, step: str) -> None:
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
            if f"{step}: started" in line and not killed:
                killed = True
                _kill_machines(source)
    assert process.returncode == 0, lines
    assert any("Starting that part again" in line for line in lines), lines
    assert_nothing_left(tmp_path, source, output.name, f"{output.name}.proof")


def test_leftovers_of_a_kill_are_listed_and_removed(tmp_path: Path, own_home: Path) -> None:
    # In a state folder of its own: what other tests were killed in is not this test's to remove.
    source = tmp_path / "master.qcow2"
    export(master(WindowsMaster(Firmware.BIOS)), source, DiskFormat.QCOW2)
    output = tmp_path / "out.raw"
    arguments = ["migrate", str(source), "--to", "aws", "--output", str(output)]
    assert killed_at("inspect: done", arguments, [])

    found = json.loads(imageport("leftovers", "list", "--json").stdout)
    assert {each["kind"] for each in found} == {"machine", "files"}
    removed = json.loads(imageport("leftovers", "remove", "--json").stdout)
    assert removed == found
    assert json.loads(imageport("leftovers", "list", "--json").stdout) == []
    assert_home_is_empty(own_home)
    assert_nothing_left(tmp_path, source)


def _kill_machines(source: Path) -> None:
    (job,) = [job.id for job in all_jobs() if str(source) in request_of(job.path)]
    for pid, owner, _ in running():
        if owner == job:
            os.kill(pid, signal.SIGKILL)
