"""kill -9 of diagnostics at every step: the same command goes on, and nothing else is left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from imageport.model.target import Firmware
from lab.guests import WindowsMaster, master
from lab.guests.inside import mounted_ntfs
from lab.guests.traces import fail_windows
from tests.chaos.killing import killed_at
from tests.system.command import assert_home_is_empty, imageport, sha256

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]

_POINTS = (
    ("engine: started", 1),
    ("collect: started", 0.5),
    ("collect: done", 0),
    ("assemble: started", 0.1),
    ("deliver: started", 0.005),
)


def test_killed_everywhere_and_run_again(tmp_path: Path, own_home: Path) -> None:
    source, output = tmp_path / "failed.qcow2", tmp_path / "output"
    output.mkdir()
    shutil.copy(master(WindowsMaster(Firmware.UEFI)), source)
    with mounted_ntfs(source, 3, writable=True) as root:
        fail_windows(root)
    before = sha256(source)
    arguments = ["diagnostics", str(source), "--output", str(output), "--json"]
    log: list[str] = []
    killed = [killed_at(pattern, arguments, log, after=after) for pattern, after in _POINTS]
    assert sum(killed) >= len(_POINTS) - 1, log
    if not [path for path in output.iterdir() if not path.name.endswith(".partial")]:
        done = imageport(*arguments)
        assert done.returncode == 0, (done.stderr, log)
    (folder,) = output.iterdir()
    said = json.loads((folder / "diagnostics.json").read_text())
    assert folder.name == f"failed-diagnostics-{said['job']}"
    assert all((folder / each["path"]).stat().st_size == each["size"] for each in said["files"])
    assert "Windows Server 2022" in (folder / "summary.txt").read_text()
    assert sha256(source) == before
    assert_home_is_empty(own_home)
