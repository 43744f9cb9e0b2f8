"""`imageport serve` as a program, and its jobs by the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.contract.ends.samba import Samba
from tests.system.command import COMMAND, imageport


class Service:
    """`imageport serve` with the state folder of this test."""

    def __init__(self, images: Path, log: Path, *options: str, before: Sequence[str] = ()) -> None:
        """Start it; `before`: a program that starts it in turn."""
        self._images, self.log = images, log
        self._options, self._before = options, before
        self.first = self.start()

    def start(self) -> dict[str, Any]:
        """Start it, again after `kill`; returns what it prints."""
        words = ["serve", "--port", "0", "--images", str(self._images), "--json", *self._options]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*self._before, *COMMAND, *words], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout
        text = ""
        for line in self.process.stdout:
            text += line
            if line == "}\n":
                break
        self.process.stdout.close()
        said: dict[str, Any] = json.loads(text)
        self.url = said["url"]
        return said

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(90) == 0, self.log.read_text()
        finally:
            self.kill()


def log_in(service: Service, folder: Path, secret: str) -> None:
    file = folder / "secret"
    file.write_text(secret)
    first = service.first["administrator"]
    words = ("--customer", first["customer"], "--client-id", first["client_id"])
    done = imageport("login", service.url, *words, "--secret-file", file)
    assert done.returncode == 0, done.stderr
    file.unlink()


def job_of(id: str) -> dict[str, Any]:
    done = imageport("job", "show", id, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    job: dict[str, Any] = json.loads(done.stdout)
    return job


def start_job(*request: str) -> str:
    done = imageport("job", "start", *request)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def wait_for_step(id: str, name: str) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        job = job_of(id)
        if job["step"] and job["step"]["name"] == name:
            return
        assert job["endedAt"] is None, job
    raise TimeoutError(job)


def finished(type: str, *request: str, code: int = 0) -> dict[str, Any]:
    """The job, started and followed to its end, which `code` says."""
    done = imageport("job", "start", type, *request, "--wait", "--json", seconds=1500)
    assert done.returncode == code, done.stdout + done.stderr
    job: dict[str, Any] = json.loads(done.stdout)
    return job


def add_share(samba: Samba, folder: Path) -> None:
    """Keep the account of the share as the credential `share`."""
    account = folder / "share.json"
    account.touch(mode=0o600)
    said = {"type": "UsernamePassword", "username": samba.account.username}
    account.write_text(json.dumps(said | {"password": samba.account.password}))
    done = imageport("credential", "add", "share", account)
    assert done.returncode == 0, done.stdout + done.stderr
    account.unlink()
