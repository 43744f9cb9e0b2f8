"""Copies to a share that were killed: only what is missing is sent again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imageport.disk import copy as copying
from imageport.disk.base import MIB, DiskWriter
from imageport.disk.create import create_disk
from imageport.disk.ends.smb import SmbLocation, SmbTarget
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.credentials import UsernamePassword
from imageport.model.target import DiskFormat
from tests.contract.ends.smb.case import SmbCase


def make_target(  # noqa: PLR0917  # what `copy_child` gives by name
    work: str, port: int, state: str, format: str, size: int, every: int
) -> DiskWriter:
    """The target of a copy in a process of its own; the password comes from a file."""
    copying.SYNC_EVERY = every
    lines = dict(line.split(" = ") for line in (Path(work) / "login").read_text().splitlines())
    target = SmbTarget(
        SmbLocation("127.0.0.1", "data", f"disk.{format}", port),
        UsernamePassword(lines["username"], lines["password"]),
        state=Path(state),
        resume=True,
    )
    return create_disk(target, DiskFormat(format), size)


class TestKilled:
    @pytest.mark.parametrize("format", ["raw", "vhdx"])
    def test_resumes_after_kill(self, case: SmbCase, tmp_path: Path, format: str) -> None:
        self._run(case, tmp_path, format, 128 * MIB, every=8 * MIB)

    @pytest.mark.slow
    @pytest.mark.timeout(1200)
    def test_resumes_after_kill_of_4_gib(self, case: SmbCase, tmp_path: Path) -> None:
        self._run(case, tmp_path, "vhdx", 4096 * MIB, every=256 * MIB)

    def _run(self, case: SmbCase, tmp_path: Path, format: str, size: int, every: int) -> None:
        disk = tmp_path / "large.raw"
        with open(disk, "wb") as out:
            for _ in range(0, size, MIB):
                out.write(os.urandom(MIB))
        job = {
            "source": str(disk),
            "make": f"{__name__}:make_target",
            "args": {
                "work": str(case.samba.work),
                "port": case.relay.port,
                "state": str(tmp_path / "state"),
                "format": format,
                "size": size,
                "every": every,
            },
            "journal": str(tmp_path / "journal"),
        }
        argv = [sys.executable, "-m", "tests.contract.ends.copy_child", json.dumps(job)]
        first = subprocess.Popen(argv)
        while case.relay.sent < size // 2:
            assert first.poll() is None
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert case.samba.names() == [f"disk.{format}.partial"]
        before, read = case.relay.sent, case.relay.received
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        # What was durable is read back, and not sent again.
        assert case.relay.sent - before < size // 2 + 4 * every + MIB
        assert case.relay.received - read > size // 2 - 4 * every
        assert case.samba.names() == [f"disk.{format}"]
        assert not (tmp_path / "state").exists()
        with open_disk(disk) as source, open_disk(case.samba.data / f"disk.{format}") as reader:
            root = tree_hash(reader).root
            assert root == tree_hash(source).root
        assert root.hex() == done.stdout.strip()
