"""What crashes leaves no core file: its memory has secrets."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.connector.running import ended, export, large, share, texts, under_way
from tests.contract.ends.samba import Samba
from tests.contract.secrets.search import Secret, descendants, in_files
from tests.contract.service.replica import TLS
from tests.system.serving import Service

_UNLIMITED = ("prlimit", "--core=unlimited:unlimited")
_DUMPABLE = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where whatever crashes would leave its core, unless `core_pattern` says otherwise."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _cores(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if "core" in path.name]


def test_a_process_of_another_kind_leaves_one(here: Path) -> None:
    """Else the tests below say nothing: the same limit, the same folder, the same signal."""
    script = "import os, sys; word = sys.stdin.read(); os.abort()"
    argv = [*_UNLIMITED, sys.executable, "-c", script]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write("Only-In-Memory-7")
    process.stdin.close()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    assert os.WCOREDUMP(status)
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith("core"):
        assert _cores(here)
        assert in_files([Secret("planted", "Only-In-Memory-7")], here)


def _worker(service: Service) -> int:
    (pid,) = (
        pid
        for pid in descendants(service.process.pid)
        if b"imageport.connector.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return pid


def _aborted(process: subprocess.Popen[Any]) -> int:
    """How it ended, as wait(2) has it."""
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGABRT
    return status


def _limit(pid: int) -> tuple[int, int]:
    return resource.prlimit(pid, resource.RLIMIT_CORE)


@pytest.mark.slow
def test_a_crashed_job_and_a_crashed_service_leave_none(
    here: Path, tmp_path: Path, samba: Samba, own_home: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    large(images)
    service = Service(images, tmp_path / "serve.log", before=_UNLIMITED)
    try:
        with _administrator(service) as admin:
            (place,) = admin.get("/ips/resourceLocations").json()["items"]
            share(admin, samba)
            body = export(place["id"], samba, "large.raw", "crashed")
            job = admin.post("/ips/images/$export", json=body).json()["id"]
            under_way(admin, job)
            worker = _worker(service)
            assert _limit(worker) == _limit(service.process.pid) == (0, 0)
            os.kill(worker, signal.SIGABRT)
            done = ended(admin, job)
            assert (done["overallStatus"], done["attempt"]) == ("complete", 2), done
            assert "The job's process ended early (-6)." in texts(admin, job)
        assert not os.WCOREDUMP(_aborted(service.process))
    finally:
        service.kill()
    time.sleep(0.2)
    assert not _cores(here)
    assert not [path for path in own_home.rglob("*core*") if path.is_file()]


def test_a_jobs_process_sees_to_it_itself(here: Path) -> None:
    argv = [*_UNLIMITED, sys.executable, "-m", "imageport.connector.worker"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while _limit(process.pid) != (0, 0) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not os.WCOREDUMP(_aborted(process))
    assert not _cores(here)


def test_memory_is_not_for_other_processes_of_the_same_user() -> None:
    """A core_pattern that names a program is not held to the limit; this holds it, and gcore."""
    private = "from imageport.host.private_memory import keep_memory_private as keep; keep(); "
    for script, said in ((_DUMPABLE, "1"), (private + _DUMPABLE, "0")):
        argv = [sys.executable, "-c", script]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == said


def _administrator(service: Service) -> httpx.Client:
    first = service.first["administrator"]
    form = {
        "grant_type": "client_credentials",
        "client_id": first["client_id"],
        "client_secret": first["secret"],
    }
    url = f"{service.url}/cctrustoauth2/local/tokens/clients"
    token = httpx.post(url, data=form, verify=TLS).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=service.url, headers=headers, verify=TLS, timeout=60)
