"""Uploads that were killed: only what the service does not have is sent again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from imageport.disk.base import MIB
from imageport.disk.ends.gcs import GcsMethod
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from tests.contract.ends.gcs.case import ARCHIVE, GcsCase, child_target, unpack
from tests.contract.ends.gcs.peer import StrictGcs

ROOT = Path(__file__).parents[4]
METHODS = list(GcsMethod)


def noise_disk(path: Path, data: int, seed: int = 3) -> None:
    """A disk twice as large as its data, which does not compress."""
    noise = random.Random(seed)
    with open(path, "wb") as file:
        file.truncate(2 * data)
        for at in range(0, 2 * data, 8 * MIB):
            file.seek(at)
            file.write(noise.randbytes(4 * MIB))


def child(case: GcsCase, source: Path, part: int) -> dict[str, Any]:
    arguments = {
        "source": str(source),
        "endpoint": case.peer.address,
        "state": str(case.state),
        "method": str(case.method),
        "part": part,
    }
    make = f"{child_target.__module__}:{child_target.__name__}"
    return {"source": str(source), "make": make, "args": arguments}


def start(job: dict[str, Any]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.ends.copy_child", json.dumps(job)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], case: GcsCase, data: int) -> None:
    """SIGKILL once the proxy has passed on `data` bytes of body."""
    deadline = time.monotonic() + 900
    while case.peer.sent() < data:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    # What the proxy has passed on whole will still happen.
    time.sleep(0.5)
    while any(each.status == 0 for each in case.peer.requests):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill_and_resume(case: GcsCase, source: Path, data: int, part: int) -> None:
    job = child(case, source, part)
    kill_after(start(job), case, data // 2)
    assert case.state.stat().st_mode & 0o777 == 0o600
    kept = sum(each.sent for each in case.peer.requests if each.status in (200, 308))
    assert kept >= data // 3
    case.peer.clear()
    process = start(job)
    said, _ = process.communicate(timeout=1800)
    assert process.returncode == 0
    # Nothing of what was kept moves again: what is sent is the rest, and a few requests' bodies.
    archive = case.peer.emulator.path(ARCHIVE)
    assert case.peer.sent() <= archive.stat().st_size - kept + part // 8
    with open_disk(source) as reader, open_disk(unpack(archive, case.folder)) as stored:
        assert said.strip() == tree_hash(reader).root.hex()
        assert tree_hash(stored).root == tree_hash(reader).padded(stored.size).root
    assert case.left_behind() == [ARCHIVE]


@pytest.mark.parametrize("method", METHODS)
def test_killed_upload_goes_on(method: GcsMethod, peer: StrictGcs, tmp_path: Path) -> None:
    source = tmp_path / "source.raw"
    noise_disk(source, 64 * MIB)
    kill_and_resume(GcsCase(peer, tmp_path, method), source, 64 * MIB, 4 * MIB)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_upload_of_4_gib_goes_on(peer: StrictGcs, tmp_path: Path) -> None:
    """Half a GiB of it is data: the emulator takes no more than some 10 MiB/s."""
    source = tmp_path / "source.raw"
    noise_disk(source, 512 * MIB)
    with open(source, "r+b") as file:
        file.truncate(4096 * MIB)
    kill_and_resume(GcsCase(peer, tmp_path, GcsMethod.COMPOSITE), source, 512 * MIB, 16 * MIB)
