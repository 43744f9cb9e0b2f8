"""Runs the `imageport` command as a user does, and sees what it leaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from imageport.jobs.folder import all_jobs
from imageport.platforms.local.machine import running

COMMAND = (str(Path(sys.executable).with_name("imageport")),)


def imageport(*arguments: str | Path, seconds: float = 900) -> subprocess.CompletedProcess[str]:
    """Run to its end; standard output and standard error apart."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    """Begin to run; its standard error has a line for whatever it begins and ends.

    It leads a process group, as a command does that a person types.
    """
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def proof_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The proof that `migrate --json` printed."""
    assert done.returncode == 0, done.stdout + done.stderr
    proof: dict[str, Any] = json.loads(done.stdout)
    return proof


def error_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The error that a command with `--json` printed."""
    assert done.returncode == 1, done.stdout + done.stderr
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    assert error["sentence"]
    assert error["remedy"]
    return error


def sha256(path: Path) -> str:
    """Of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def assert_nothing_left(folder: Path, source: Path, *kept: str) -> None:
    """No machine, job folder or file but `source` and `kept` is left of jobs in `folder`."""
    assert sorted(path.name for path in folder.iterdir()) == sorted([source.name, *kept])
    jobs = {job.id for job in all_jobs() if str(folder) in request_of(job.path)}
    assert not jobs
    assert not [role for _, job, role in running() if job in jobs]


def assert_home_is_empty(home: Path) -> None:
    """No job is left in a state folder that one test has for itself, and no machine of it runs."""
    assert not list((home / "jobs").iterdir())
    assert not list(running())


def request_of(job: Path) -> str:
    """What a job in that folder was asked for; nothing where that was not written yet."""
    path = job / "request.json"
    return path.read_text() if path.exists() else ""
