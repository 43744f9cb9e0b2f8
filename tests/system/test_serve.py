"""`imageport serve` as a user runs it: log in, start a migration, kill it, start it again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.jobs.proof import check_proof
from imageport.model.target import DiskFormat, Firmware
from lab.guests import LinuxMaster, export, master
from tests.contract.connector.collector import Collector
from tests.system.command import assert_home_is_empty, error_of, imageport, sha256, started
from tests.system.serving import Service, job_of, log_in, start_job, wait_for_step

pytestmark = pytest.mark.timeout(2400)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture
def service(own_home: Path, images: Path, tmp_path: Path) -> Iterator[Service]:
    running = Service(images, tmp_path / "serve.log")
    yield running
    if running.process.poll() is None:
        running.stop()


def test_a_migration_survives_kill_9_of_everything(
    service: Service, images: Path, own_home: Path, tmp_path: Path
) -> None:
    secret = service.first["administrator"]["secret"]
    log_in(service, tmp_path, secret)
    source = images / "master.vhdx"
    export(master(LinuxMaster(Firmware.BIOS)), source, DiskFormat.VHDX)
    before = sha256(source)
    wish = ("sourceDiskName=master.vhdx", "targetPlatform=Gcp", "outputDiskName=out.raw")

    plan = imageport("job", "start", "migrate", *wish, "--dry-run", "--wait", "--json")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    planned = json.loads(plan.stdout)
    assert planned["result"]["plan"]
    shown = imageport("job", "show", planned["id"])
    assert shown.returncode == 0, shown.stderr
    assert f"{len(planned['result']['plan'])} changes" in shown.stdout
    assert sorted(path.name for path in images.iterdir()) == [source.name]

    id = start_job("migrate", *wish, "tryUntouched=false")
    for step in ("engine", "prepare", "boot"):
        wait_for_step(id, step)
        service.kill()
        assert service.start()["administrator"] is None
        log_in(service, tmp_path, secret)
    with started("job", "wait", id, "--json") as waiting:
        printed, said = waiting.communicate(timeout=1200)
    assert waiting.returncode == 0, printed + said
    job = json.loads(printed)
    assert job["overallStatus"] == "complete"
    assert job["attempt"] == 4
    assert job["result"]["boot"]["verdict"] == "boots"
    assert "boots on gcp" in imageport("job", "show", id).stdout
    assert sha256(source) == before
    assert check_proof(images / "out.raw")

    service.stop()
    assert_home_is_empty(own_home)
    held = sorted(path.name for path in images.iterdir())
    assert held == ["master.vhdx", "out.raw", "out.raw.proof"]
    for path in (service.log, *own_home.glob("service/*"), *own_home.glob("connector/**/*")):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector().running() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.mark.slow
def test_a_look_inside_is_one_trace_down_to_the_engine(
    collector: Collector, service: Service, images: Path, tmp_path: Path
) -> None:
    log_in(service, tmp_path, service.first["administrator"]["secret"])
    export(master(LinuxMaster(Firmware.BIOS)), images / "master.raw", DiskFormat.RAW)
    wish = ("sourceDiskName=master.raw", "targetPlatform=Gcp", "outputDiskName=out.raw")
    done = imageport("job", "start", "migrate", *wish, "--dry-run", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    service.stop()
    spans = {span.name: span for span in collector.spans}
    assert len({span.trace for span in collector.spans}) == 1
    way = ("POST /ips/images/$migrate", "attempt", "look", "inspect")
    parts = ("imageport.service", "imageport.connector", "imageport.job", "imageport.engine")
    assert tuple(spans[name].part for name in way) == parts
    parents = ["", *(spans[name].id for name in way[:-1])]
    assert [spans[name].parent for name in way] == parents
    assert sorted(spans) == sorted((*way, "queued"))
    assert not any(span.failed for span in collector.spans)
    assert {span.service for span in collector.spans} == {"imageport-service"}


def test_cancelling_cleans_up(
    service: Service, images: Path, own_home: Path, tmp_path: Path
) -> None:
    log_in(service, tmp_path, service.first["administrator"]["secret"])
    export(master(LinuxMaster(Firmware.BIOS)), images / "master.raw", DiskFormat.RAW)
    wish = ("sourceDiskName=master.raw", "targetPlatform=Gcp", "outputDiskName=out.raw")
    id = start_job("migrate", *wish, "tryUntouched=false")
    wait_for_step(id, "boot")
    assert imageport("job", "cancel", id).returncode == 0
    done = imageport("job", "wait", id)
    assert done.returncode == 1
    assert "cancelled" in done.stderr
    assert job_of(id)["overallStatus"] == "cancelled"
    assert [path.name for path in images.iterdir()] == ["master.raw"]
    assert_home_is_empty(own_home)


def test_errors_that_people_make(service: Service, images: Path, tmp_path: Path) -> None:
    assert error_of(imageport("job", "list", "--json"))["code"] == "client.not-logged-in"
    secret = tmp_path / "wrong"
    secret.write_text("wrong")
    words = ("--customer", "local", "--client-id", "nobody", "--secret-file", secret, "--json")
    assert error_of(imageport("login", service.url, *words))["code"] == "auth.secret"
    log_in(service, tmp_path, service.first["administrator"]["secret"])
    typo = imageport("job", "start", "migrate", "sourceDisk=a", "--json")
    assert re.search("did you mean sourceDiskName", error_of(typo)["sentence"])
    wish = ("sourceDiskName=/etc/passwd", "targetPlatform=Gcp", "outputDiskName=out.raw")
    job = imageport("job", "start", "migrate", *wish, "--wait", "--json")
    assert job.returncode == 1
    assert json.loads(job.stdout)["error"]["code"] == "connector.outside-folders"
    second = imageport("serve", "--port", "0", "--json")
    assert error_of(second)["code"] == "host.busy"
    open_to_all = imageport("serve", "--host", "0.0.0.0", "--json")  # noqa: S104  # is refused
    assert error_of(open_to_all)["code"] == "serve.clear-text"
    secret_in_url = imageport("serve", "--database", "postgresql://me:secret@db/ips", "--json")
    assert error_of(secret_in_url)["code"] == "store.password-in-url"
    assert not list((Path(os.environ["IMAGEPORT_HOME"]) / "jobs").glob("*"))


def _said(*words: str | Path) -> str:
    done = imageport(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_an_administrator_does(service: Service, tmp_path: Path) -> None:
    log_in(service, tmp_path, service.first["administrator"]["secret"])
    limits = ("--max-jobs", "8", "--max-jobs-on", "local=2")
    made = json.loads(_said("location", "add", "rack", *limits, "--json"))
    assert (made["maxJobs"], made["maxJobsByPlatform"]) == (8, {"Local": 2})
    assert "at most 8 jobs, Local: 2" in _said("location", "list")
    assert "at most" not in _said("location", "change", made["id"], "--name", "shelf")
    assert "shelf" in _said("location", "list")
    wrong = imageport("location", "add", "other", "--max-jobs-on", "Local=none")
    assert wrong.returncode == 2
    assert "PLATFORM=NUMBER" in wrong.stderr
    _said("location", "remove", made["id"])
    client = json.loads(_said("client", "add", "nightly", "--role", "read", "--json"))
    assert client["clientSecret"]
    assert "nightly" in _said("client", "list")
    _said("client", "remove", client["id"])
    assert "nightly" not in _said("client", "list")
