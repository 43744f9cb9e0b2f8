"""Copies from a web server that were killed: only what is missing is fetched again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imageport.disk import copy as copying
from imageport.disk.base import GIB, MIB, DiskWriter
from imageport.disk.create import create_disk
from imageport.disk.manifest import BLOCK
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat
from tests.contract.ends.faults import HttpFaults
from tests.contract.ends.nginx import Nginx

RECORD = 8 + 32
"""Bytes of a journal's record: a block's number and its hash."""


def make_target(path: str, size: int, every: int) -> DiskWriter:
    """For `copy_child`, whose journal is kept more finely."""
    copying.SYNC_EVERY = every
    return create_disk(LocalTarget(Path(path), resume=True), DiskFormat.RAW, size)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize(
    ("size", "every"),
    [
        pytest.param(128 * MIB, 8 * MIB, id="128 MiB"),
        pytest.param(
            4 * GIB, 256 * MIB, id="4 GiB", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]
        ),
    ],
)
def test_killed_copy_goes_on(
    nginx: Nginx, faults: HttpFaults, tmp_path: Path, size: int, every: int
) -> None:
    source, target, journal = (tmp_path / name for name in ("source.raw", "out.raw", "journal"))
    with open(source, "wb") as file:
        for _ in range(0, size, MIB):
            file.write(os.urandom(MIB))
    served = nginx.files / f"{tmp_path.name}.raw"
    served.symlink_to(source)
    job = {
        "source": f"{faults.address}/{served.name}",
        "make": f"{__name__}:make_target",
        "args": {"path": str(target), "size": size, "every": every},
        "journal": str(journal),
    }
    argv = [sys.executable, "-m", "tests.contract.ends.copy_child"]
    child = subprocess.Popen([*argv, json.dumps(job | {"pause": 0.01})])
    while finished(journal) < size // 2:
        assert child.poll() is None
        time.sleep(0.005)
    child.kill()
    assert child.wait() == -9
    assert not target.exists()
    held = finished(journal)
    assert held < size
    faults.clear()
    done = subprocess.run([*argv, json.dumps(job)], capture_output=True, text=True, check=True)
    # Beside the rest, the file's first and last blocks are looked at to tell its format.
    assert size - held <= faults.received() < size - held + 4 * MIB
    with open_disk(source) as reader, open_disk(target) as copied:
        root = tree_hash(reader).root
        assert tree_hash(copied).root == root
    assert done.stdout.strip() == root.hex()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.raw", "source.raw"]


def finished(journal: Path) -> int:
    """Bytes of the blocks that a journal calls finished."""
    content = journal.read_bytes() if journal.exists() else b""
    return len(content.partition(b"\n")[2]) // RECORD * BLOCK
