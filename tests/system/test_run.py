"""`imageport run` with real migrations."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imageport.jobs.proof import check_proof
from imageport.model.target import DiskFormat, Firmware
from lab.guests import LinuxMaster, export, master
from tests.system.command import assert_home_is_empty, imageport, sha256, started
from tests.system.serving import Service, job_of, log_in, wait_for_step

pytestmark = pytest.mark.timeout(2400)

TEXT = """\
name: golden
source: {disk: master.vmdk}
defaults: {tryUntouched: false}
targets:
  - {platform: Gcp, output: {disk: gcp.raw}}
  - {platform: Azure, output: {disk: taken.vhd}}
  - {platform: Aws, output: {disk: aws.raw}}
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    export(master(LinuxMaster(Firmware.BIOS)), folder / "master.vmdk", DiskFormat.VMDK)
    (folder / "taken.vhd").touch()
    return folder


@pytest.fixture
def file(own_home: Path, images: Path, tmp_path: Path) -> Iterator[Path]:
    """The workflow file, where a service runs and one is logged in."""
    service = Service(images, tmp_path / "serve.log")
    try:
        log_in(service, tmp_path, service.first["administrator"]["secret"])
        path = tmp_path / "golden.yaml"
        path.write_text(TEXT)
        yield path
        service.stop()
        assert_home_is_empty(own_home)
    finally:
        service.kill()


def by_target(done: subprocess.CompletedProcess[str], code: int) -> dict[str, dict[str, Any]]:
    assert done.returncode == code, done.stdout + done.stderr
    return {each["target"]: each for each in json.loads(done.stdout)["targets"]}


@pytest.mark.slow
def test_a_plan_says_everything_and_changes_nothing(file: Path, images: Path) -> None:
    before = sorted(images.iterdir())
    done = imageport("run", file, "--plan", "--only", "gcp", "--only", "azure")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "gcp: gcp.raw" in done.stdout
    assert "Nothing was changed." in done.stdout
    assert "taken.vhd exists already." in done.stdout
    assert sorted(images.iterdir()) == before


def entries(home: Path) -> list[dict[str, Any]]:
    record = home / "runs" / "golden.json"
    said = json.loads(record.read_text()) if record.exists() else {"entries": {}}
    return list(said["entries"].values())


@pytest.mark.slow
def test_a_killed_command_goes_on_and_what_failed_is_done_alone(
    file: Path, images: Path, own_home: Path
) -> None:
    source = images / "master.vmdk"
    before = sha256(source)
    with started("run", file, "--yes") as first:
        while len([each for each in entries(own_home) if each["job"]]) < 3:
            assert first.poll() is None
            time.sleep(0.1)
        jobs = {each["target"]: each["job"] for each in entries(own_home)}
        wait_for_step(jobs["gcp"], "boot")
        first.kill()

    found = by_target(imageport("run", file, "--yes", "--json", seconds=1500), 1)
    assert {name: each["job"] for name, each in found.items()} == jobs
    assert found["azure"]["error"]["code"] == "job.output-exists"
    files = {name: images / f"{name}.raw" for name in ("gcp", "aws")}
    for name, path in files.items():
        assert found[name]["status"] == "complete"
        assert check_proof(path)
        assert found[name]["root"] == job_of(jobs[name])["result"]["output"]["root"]
    written = {name: path.stat().st_mtime_ns for name, path in files.items()}

    (images / "taken.vhd").unlink()
    found = by_target(imageport("run", file, "--yes", "--json", seconds=1500), 0)
    did = {name: (each["did"], each["attempt"]) for name, each in found.items()}
    assert did == {"gcp": ("nothing", 1), "azure": ("again", 2), "aws": ("nothing", 1)}
    assert {name: found[name]["job"] for name in files} == {name: jobs[name] for name in files}
    assert check_proof(images / "taken.vhd")
    assert written == {name: path.stat().st_mtime_ns for name, path in files.items()}
    assert sha256(source) == before
