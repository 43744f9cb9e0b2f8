"""The connector against a real replica of the service and a real Samba."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from imageport.connector.link import Link
from imageport.connector.records import Records
from imageport.disk.manifest import Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.errors import RemoteError
from imageport.wire.connector import Finish
from tests.contract.connector.running import (
    Program,
    Site,
    announced,
    connector,
    ended,
    large,
    site_in,
    texts,
    under_way,
)
from tests.contract.ends.contract import make_disk
from tests.contract.ends.samba import Samba
from tests.contract.service.replica import (
    QUICK,
    RawConnector,
)


@pytest.fixture
def site(
    request: pytest.FixtureRequest, tmp_path: Path, samba: Samba, own_home: Path
) -> Iterator[Site]:
    """`request.param`: the service's settings."""
    with site_in(tmp_path, samba, getattr(request, "param", QUICK)) as made:
        yield made


def _content(path: Path) -> Manifest:
    with open_disk(path) as reader:
        return tree_hash(reader)


def test_an_export_ends_on_the_share(site: Site) -> None:
    job = site.export("master.raw", "first")
    with connector(site.identity, site.images):
        done = ended(site.admin, job)
    assert done["overallStatus"] == "complete", done
    assert done["overallProgressPercent"] == 100
    written = _content(site.samba.data / "first.vhdx")
    assert written.root.hex() == done["result"]["root"]
    assert written.root == _content(site.images / "master.raw").padded(written.size).root
    said = texts(site.admin, job)
    assert any(text.startswith("Copy to smb://") for text in said)
    (known,) = site.admin.get("/ips/connectors").json()["items"]
    assert known["health"]["slots"] == 1
    assert known["online"]


@pytest.mark.parametrize("path", ["../master.raw", "/etc/passwd", "link", "."])
def test_files_elsewhere_are_out_of_reach(site: Site, path: str) -> None:
    (site.images / "link").symlink_to("/etc/passwd")
    job = site.export(path, "stolen")
    with connector(site.identity, site.images):
        done = ended(site.admin, job)
    assert (done["overallStatus"], done["error"]["code"]) == ("error", "connector.outside-folders")
    assert not site.exported("stolen")


def test_a_dry_run_looks_and_writes_nothing(site: Site) -> None:
    job = site.export("master.raw", "dry", dryRun="true")
    with connector(site.identity, site.images):
        done = ended(site.admin, job)
    assert done["overallStatus"] == "complete", done
    assert done["result"]["target"].endswith("/data/dry.vhdx")
    assert done["result"]["free"] > 0
    assert not site.exported("dry")


def test_what_an_earlier_attempt_has_ended_is_not_an_error(site: Site) -> None:
    first = RawConnector(site.admin, site.place, "killed")
    jobs = [site.export("master.raw", name) for name in ("same", "other")]
    for job in jobs:
        assert first.claim()["job"] == job
    with connector(site.identity, site.images):
        done = ended(site.admin, site.export("master.raw", "same"))
        assert done["overallStatus"] == "complete", done
        shutil.copy(site.samba.data / "same.vhdx", site.samba.data / "other.vhdx")
        with (site.images / "master.raw").open("r+b") as disk:
            disk.write(b"changed")
        # Now the share has a disk of that name which the image no longer is.
        first.post(f"jobs/{jobs[1]}/$release", fence=1)
        other = ended(site.admin, jobs[1])
        assert (other["overallStatus"], other["error"]["code"]) == ("error", "disk.exists")
        make_disk(site.images / "master.raw")
        first.post(f"jobs/{jobs[0]}/$release", fence=1)
        same = ended(site.admin, jobs[0])
    assert (same["overallStatus"], same["attempt"]) == ("complete", 2), same
    assert same["result"]["root"] == done["result"]["root"]


def test_a_cancelled_job_leaves_nothing(site: Site, own_home: Path) -> None:
    large(site.images)
    with connector(site.identity, site.images):
        job = site.export("large.raw", "cancelled")
        under_way(site.admin, job)
        assert site.admin.post(f"/ips/jobs/{job}/$cancel").status_code == 202
        done = ended(site.admin, job)
    assert done["overallStatus"] == "cancelled", done
    assert not site.exported("cancelled")
    assert not list((own_home / "copies").iterdir())
    assert not list((own_home / "connector" / "held").iterdir())


def test_a_drain_gives_work_back_and_the_next_goes_on(site: Site) -> None:
    large(site.images)
    job = site.export("large.raw", "drained")
    with connector(site.identity, site.images):
        under_way(site.admin, job)
    held = site.admin.get(f"/ips/jobs/{job}").json()
    assert (held["overallStatus"], held["connectorId"]) == ("inProgress", None)
    with connector(site.identity, site.images):
        done = ended(site.admin, job)
    assert (done["overallStatus"], done["attempt"]) == ("complete", 2), done
    assert _content(site.samba.data / "drained.vhdx").root.hex() == done["result"]["root"]


def test_a_killed_connector_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    large(site.images)
    known = announced(site.admin, site.place)
    program = Program(site.url, known, tmp_path / "connector", site.images)
    try:
        job = site.export("large.raw", "killed")
        under_way(site.admin, job)
        program.kill()
        program.start()
        done = ended(site.admin, job)
    finally:
        program.stop()
    # The record of its lease let it give the job back at once: nobody waited for the lease's end.
    assert (done["overallStatus"], done["attempt"]) == ("complete", 2), program.log.read_text()
    assert _content(site.samba.data / "killed.vhdx").root.hex() == done["result"]["root"]
    assert site.samba.account.password not in program.log.read_text()


def test_a_result_that_the_service_refuses_ends_the_job(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Link.finish

    async def no_results(link: Link, job: str, said: Finish, patience: float) -> None:
        if said.result is not None:
            raise RemoteError("request.too-large", "It is too large.", "", {})
        await finish(link, job, said, patience)

    monkeypatch.setattr(Link, "finish", no_results)
    job = site.export("master.raw", "refused")
    with connector(site.identity, site.images):
        done = ended(site.admin, job)
    assert (done["overallStatus"], done["error"]["code"]) == ("error", "request.too-large")


@pytest.mark.parametrize("site", [replace(QUICK, lease=timedelta(seconds=5))], indirect=True)
def test_a_job_whose_lease_nobody_keeps_is_stopped(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(site.images)

    async def rubbish(*_: object) -> None:
        raise ValueError("the service said something that nobody expects")

    with monkeypatch.context() as patched, connector(site.identity, site.images):
        job = site.export("large.raw", "unkept")
        under_way(site.admin, job)
        assert _workers()
        patched.setattr(Link, "renew", rubbish)
        time.sleep(0.8)
        assert not _workers()
        patched.undo()
        done = ended(site.admin, job)
    assert (done["overallStatus"], done["attempt"]) == ("complete", 2), done
    assert _content(site.samba.data / "unkept.vhdx").root.hex() == done["result"]["root"]


def _workers() -> str:
    """The processes of jobs that run below this one."""
    argv = ["pgrep", "-P", str(os.getpid()), "-f", "imageport.connector.worker"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(("code", "kept"), [("store.unavailable", True), ("lease.lost", False)])
def test_only_a_job_that_is_lost_is_forgotten(
    site: Site, monkeypatch: pytest.MonkeyPatch, code: str, kept: bool
) -> None:
    async def refused(*_: object) -> None:
        raise RemoteError(code, "No.", "", {})

    job = "5a0e9f0c-7d1c-4b9e-8f57-3f0f6f3c9d11"
    Records().add(job, 1)
    monkeypatch.setattr(Link, "release", refused)
    with connector(site.identity, site.images):
        time.sleep(1)
    assert [found for found, _ in Records().all()] == ([job] if kept else [])
