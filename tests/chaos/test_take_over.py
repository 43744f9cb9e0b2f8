"""A connector that shares its folder of jobs, and PostgreSQL for their workflows, goes on with the
job of another that died: where that was, not from the start."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from imageport.jobs.proof import check_proof
from imageport.model.target import DiskFormat, Firmware
from imageport.platforms.local.machine import running
from lab.guests import LinuxMaster, export, master
from tests.contract.connector.running import Program, announced, ended, texts
from tests.contract.service.postgres import Postgres
from tests.contract.service.replica import QUICK, location, replica, scratch

pytestmark = [pytest.mark.timeout(2400), pytest.mark.slow]


def test_the_second_goes_on_where_the_first_was(tmp_path: Path) -> None:
    images, jobs = tmp_path / "images", tmp_path / "jobs"
    images.mkdir()
    export(master(LinuxMaster(Firmware.BIOS)), images / "master.vhdx", DiskFormat.VHDX)
    postgres = Postgres()
    workflows = postgres.new_database()
    settings = replace(QUICK, lease=timedelta(seconds=10))
    with replica(scratch(tmp_path), settings) as service, service.client() as admin:
        place = location(admin)
        homes = [_home(tmp_path / name) for name in ("one", "two")]
        first, second = (
            Program(
                service.url,
                announced(admin, place, home.name),
                home,
                images,
                IMAGEPORT_JOBS=str(jobs),
                IMAGEPORT_WORKFLOWS=workflows,
            )
            for home in homes
        )
        second.kill()
        body = {
            "platform": "Local",
            "resourceLocationId": place,
            "sourceDiskName": "master.vhdx",
            "targetPlatform": "Gcp",
            "outputDiskName": "out.raw",
            "tryUntouched": False,
        }
        job = admin.post("/ips/images/$migrate", json=body).json()["id"]
        _wait_for(admin, job, "boot")
        first.kill()
        second.start()
        done = ended(admin, job, 1200)
        assert done["overallStatus"] == "complete", done
        assert (done["attempt"], done["result"]["boot"]["verdict"]) == (2, "boots")
        said = texts(admin, job)
        assert "Going on with the migration that was interrupted." in said
        assert len([line for line in said if line.startswith("Prepare the image")]) == 1
        second.stop()
    assert check_proof(images / "out.raw")
    assert not list(jobs.iterdir())
    assert not [job for _, job, _ in running() if str(jobs) in job]
    with psycopg.connect(workflows) as database:
        (left,) = database.execute("SELECT count(*) FROM dbos.workflow_status").fetchone() or (1,)
    assert left == 0
    postgres.close()


def _home(folder: Path) -> Path:
    """A state folder with what was built already."""
    folder.mkdir()
    (folder / "cache").symlink_to(Path(os.environ["IMAGEPORT_HOME"]) / "cache")
    return folder


def _wait_for(admin: httpx.Client, job: str, step: str) -> None:
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        found = admin.get(f"/ips/jobs/{job}").json()
        if found["step"] and found["step"]["name"] == step:
            return
        assert found["endedAt"] is None, found["error"]
        time.sleep(0.2)
    raise TimeoutError(found)
