"""`imageport run` as a program against a real service.

Who does the jobs speaks the connector's protocol request by request, so that a test says how each
ends; at the end a real connector has one of its own.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from imageport.cli.account import keep
from imageport.client import Account
from imageport.service.bootstrap import first_administrator
from tests.contract.connector.running import connector, registered
from tests.contract.service.replica import RawConnector, location, replica, scratch
from tests.system.command import COMMAND, error_of, imageport, started

ROOT = "ab" * 32
ERROR = {
    "code": "job.output-exists",
    "sentence": "It is there.",
    "remedy": "Remove it.",
    "data": {},
}
TEXT = """\
name: golden
source: {disk: master.vmdk}
targets:
  - {platform: Azure, output: {disk: azure.vhd}}
  - {platform: Gcp, output: {disk: gcp.raw}}
"""


@dataclass(frozen=True)
class Site:
    """A service, a workflow file, and a state folder with an account."""

    url: str
    admin: httpx.Client
    place: str
    file: Path
    home: Path

    @property
    def record(self) -> Path:
        return self.home / "runs" / "golden.json"

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def jobs(self) -> list[dict[str, Any]]:
        """All that the service has, oldest first."""
        found: list[dict[str, Any]] = self.admin.get("/ips/jobs").json()["items"]
        return found[::-1]

    def wait_for_jobs(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.jobs()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """The command, which goes on by itself."""
        return started("run", self.file, *words)

    def run(self, *words: str, code: int) -> dict[str, Any]:
        """The summary."""
        return summary(imageport("run", self.file, "--yes", "--json", *words, seconds=60), code)


def summary(done: subprocess.CompletedProcess[str], code: int) -> dict[str, Any]:
    assert done.returncode == code, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def states(said: dict[str, Any]) -> dict[str, tuple[str, str, int]]:
    return {
        each["target"]: (each["did"], each["status"], each["attempt"]) for each in said["targets"]
    }


@pytest.fixture
def site(tmp_path: Path, own_home: Path) -> Iterator[Site]:
    file = tmp_path / "golden.yaml"
    file.write_text(TEXT)
    with replica(scratch(tmp_path)) as running:
        first = first_administrator(running.state.store, "test")
        assert first
        keep(Account(running.url, "test", first.client_id, first.secret))
        with running.client("test") as client:
            yield Site(running.url, client, location(client), file, own_home)


@pytest.fixture
def worker(site: Site) -> RawConnector:
    return RawConnector(site.admin, site.place)


def work(worker: RawConnector, count: int, failing: str = "-") -> None:
    """Do so many jobs; those for `failing` do not end well."""
    for _ in range(count):
        job = worker.claim(20)
        assert job
        if job["request"]["targetPlatform"] == failing:
            said: dict[str, Any] = {"status": "error", "error": ERROR}
        else:
            said = {"status": "complete", "result": {"output": {"root": ROOT}}}
        answer = worker.post(f"jobs/{job['job']}/$finish", fence=job["fence"], **said)
        assert answer.status_code == 204, answer.text


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_one_that_fails_stops_nobody_and_is_tried_again_alone(
    site: Site, worker: RawConnector
) -> None:
    running = site.begin("--yes")
    work(worker, 2, failing="Gcp")
    done = ended(running)
    assert done.returncode == 1
    azure, gcp = (line.split() for line in done.stdout.splitlines()[1:3])
    assert azure[:2] == ["azure", "complete"]
    assert azure[-2:] == ["azure.vhd", ROOT[:16]]
    assert gcp[:2] == ["gcp", "error"]
    assert "gcp: It is there.\ngcp: what to do: Remove it.\n" in done.stdout
    assert "gcp: error (job.output-exists)" in done.stderr
    assert site.jobs()[0]["type"] == "migrate"
    tags = site.admin.get(f"/ips/jobs/{site.jobs()[0]['id']}").json()["tags"]
    assert tags == {"run": "golden"}

    running = site.begin("--yes", "--json")
    work(worker, 1)
    said = summary(ended(running), 0)
    assert states(said) == {"azure": ("nothing", "complete", 1), "gcp": ("again", "complete", 2)}
    assert {each["root"] for each in said["targets"]} == {ROOT}
    assert len(site.jobs()) == 3

    # Nothing is left to do, nobody is asked, and the service may have forgotten everything.
    for job in site.jobs():
        site.admin.delete(f"/ips/jobs/{job['id']}")
    done = imageport("run", site.file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("nothing: complete since") == 2
    assert site.jobs() == []
    assert json.loads(site.record.read_text())["name"] == "golden"
    assert site.record.stat().st_mode & 0o777 == 0o600


def _lost(record: Path) -> None:
    record.unlink()


def _unanswered(record: Path) -> None:
    """As when the command was killed between its request and the answer."""
    said = json.loads(record.read_text())
    for entry in said["entries"].values():
        entry["job"] = entry["status"] = None
    record.write_text(json.dumps(said))


def _kept(record: Path) -> None:
    """As it is."""


@pytest.mark.parametrize("lose", [_kept, _lost, _unanswered])
def test_a_killed_command_finds_its_jobs_again(site: Site, worker: RawConnector, lose: Any) -> None:
    running = site.begin("--yes")
    site.wait_for_jobs(2)
    time.sleep(0.5)
    running.kill()
    ended(running)
    lose(site.record)
    work(worker, 1)
    running = site.begin("--yes", "--json")
    work(worker, 1)
    said = summary(ended(running), 0)
    assert [each["status"] for each in said["targets"]] == ["complete", "complete"]
    assert {each["job"] for each in said["targets"]} == {each["id"] for each in site.jobs()}
    assert len(site.jobs()) == 2


def test_what_ended_while_nobody_looked_is_known_from_then_on(
    site: Site, worker: RawConnector
) -> None:
    running = site.begin("--yes")
    site.wait_for_jobs(2)
    time.sleep(0.5)
    running.kill()
    ended(running)
    work(worker, 2)
    for _ in range(2):
        said = site.run(code=0)
        assert {each["did"] for each in said["targets"]} == {"nothing"}
        for job in site.jobs():
            site.admin.delete(f"/ips/jobs/{job['id']}")


@pytest.mark.parametrize("lose", [_kept, _unanswered])
def test_a_changed_target_is_a_new_job_and_the_old_one_ends(
    site: Site, worker: RawConnector, lose: Any
) -> None:
    running = site.begin("--yes")
    site.wait_for_jobs(2)
    time.sleep(0.5)
    running.kill()
    ended(running)
    lose(site.record)
    site.write(TEXT.replace("Gcp, ", "Gcp, tryUntouched: false, "))
    running = site.begin("--yes", "--json")
    site.wait_for_jobs(3)
    work(worker, 2)
    done = ended(running)
    said = summary(done, 0)
    assert "is cancelled first" in done.stderr
    did = "follow" if lose is _kept else "start"
    assert states(said) == {"azure": (did, "complete", 1), "gcp": ("start", "complete", 1)}
    kept = sorted(each["overallStatus"] for each in site.jobs())
    assert kept == ["cancelled", "complete", "complete"]


def test_fresh_begins_anew(site: Site, worker: RawConnector) -> None:
    running = site.begin("--yes")
    work(worker, 2)
    assert ended(running).returncode == 0
    running = site.begin("--yes", "--json", "--fresh", "--only", "gcp")
    work(worker, 1)
    done = ended(running)
    assert states(summary(done, 0)) == {"gcp": ("start", "complete", 1)}
    assert "this run wrote that file" in done.stderr
    assert len(site.jobs()) == 3
    site.run(code=0)
    assert len(site.jobs()) == 3
    other = site.begin("--yes", "--json", "--name", "golden-2")
    work(worker, 2)
    assert summary(ended(other), 0)["run"] == "golden-2"
    assert len(site.jobs()) == 5


def test_a_job_that_the_service_refuses_is_an_error_of_its_target(site: Site) -> None:
    secret = site.admin.post("/ips/clients", json={"name": "r", "role": "read"}).json()
    keep(Account(site.url, "test", secret["id"], secret["clientSecret"]))
    said = site.run(code=1)
    assert [each["status"] for each in said["targets"]] == ["error", "error"]
    assert {each["error"]["code"] for each in said["targets"]} == {"auth.role"}


@pytest.mark.parametrize("cancel", [False, True])
def test_ctrl_c(site: Site, cancel: bool) -> None:
    running = site.begin("--yes", "--json", *(["--cancel-on-interrupt"] if cancel else []))
    site.wait_for_jobs(2)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    done = ended(running)
    said = summary(done, 130)
    assert said["interrupted"]
    wanted = "cancelled" if cancel else "notStarted"
    assert [each["status"] for each in said["targets"]] == [wanted, wanted]
    assert [each["overallStatus"] for each in site.jobs()] == [wanted, wanted]
    assert ("go on" in done.stderr) != cancel


class Terminal:
    """The command at a terminal."""

    def __init__(self, *words: str) -> None:
        self._end, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.seen = ""

    def until(self, text: str) -> None:
        """Read so far."""
        while text not in self.seen:
            self.seen += os.read(self._end, 65536).decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def end(self) -> int:
        """Its code."""
        try:
            while more := os.read(self._end, 65536):
                self.seen += more.decode(errors="replace")
        except OSError:
            pass  # Linux says so that the other side is closed
        os.close(self._end)
        return self.process.wait(60)


@pytest.mark.parametrize(
    ("answer", "left"), [("y\n", "cancelled"), ("\n", "notStarted"), (None, "notStarted")]
)
def test_at_a_terminal(site: Site, answer: str | None, left: str) -> None:
    asked = Terminal("run", str(site.file))
    asked.until("Go on?")
    asked.type("n\n")
    assert asked.end() == 1
    assert not site.jobs()
    asked = Terminal("run", str(site.file))
    asked.until("Go on?")
    asked.type("y\n")
    site.wait_for_jobs(2)
    time.sleep(0.5)
    asked.process.send_signal(signal.SIGINT)
    asked.until("Cancel the 2 jobs under way?")
    time.sleep(0.5)  # a signal between the question and its reading is only heeded later
    asked.type(answer) if answer else asked.process.send_signal(signal.SIGINT)
    assert asked.end() == 130, asked.seen
    assert [each["overallStatus"] for each in site.jobs()] == [left, left]


def test_nothing_is_started_unasked(site: Site) -> None:
    done = imageport("run", site.file, "--json")
    assert error_of(done)["code"] == "workflow.unconfirmed"
    assert not site.jobs()
    assert not site.record.exists()
    assert "no connector of here is online" in done.stderr


def test_a_run_is_followed_by_one_command(site: Site) -> None:
    running = site.begin("--yes")
    site.wait_for_jobs(1)
    try:
        second = imageport("run", site.file, "--yes", "--json")
        assert error_of(second)["code"] == "workflow.busy"
    finally:
        running.kill()
        ended(running)


def test_what_the_service_does_not_have(site: Site) -> None:
    location(site.admin, "there")
    missing = error_of(imageport("run", site.file, "--json"))
    (problem,) = missing["data"]["problems"]
    assert problem["problem"] == "location is missing, and the service has here, there"
    share = "{share: {location: smb://a/b/, credential: stor, image: c}}"
    text = TEXT.replace("name: golden", "location: her").replace("{disk: gcp.raw}", share)
    site.write(text)
    site.admin.post("/ips/credentials", json={"id": "store", "type": "Simple", "secret": "x"})
    found = error_of(imageport("run", site.file, "--json"))["data"]["problems"]
    assert found == [
        {"line": 1, "problem": "location: the service has no her; did you mean here?"},
        {"line": 5, "problem": "credential: the service has no stor; did you mean store?"},
    ]
    site.write(TEXT)
    unknown = error_of(imageport("run", site.file, "--only", "aws", "--json", "--yes"))
    assert unknown["code"] == "workflow.invalid"


def test_a_real_connector_plans_and_ends_jobs_whose_source_is_missing(
    site: Site, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    site.write(TEXT + "location: here\n")
    with connector(registered(site.admin, site.place), images, slots=2):
        plan = summary(imageport("run", site.file, "--plan", "--json", seconds=120), 1)
        assert not plan["good"]
        codes = [each["error"]["code"] for each in plan["targets"]]
        assert len(codes) == 2
        assert not site.record.exists()
        assert all(each["dryRun"] for each in site.jobs())
        said = site.run(code=1)
    assert [each["error"]["code"] for each in said["targets"]] == codes
    assert len(site.jobs()) == 4
    assert not list(images.iterdir())
