"""kill -9 of a conversion to UEFI at every step: it goes on, and its child is the same disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imageport.jobs.proof import read_proof
from imageport.model.proof import ConversionProof
from imageport.model.target import DiskFormat, Firmware
from lab.guests import MbrLayout, WindowsMaster, export, master
from tests.chaos.content import content
from tests.chaos.killing import killed_at
from tests.system.command import assert_home_is_empty, assert_nothing_left, imageport, sha256

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]

_POINTS = (
    ("engine: started", 1),
    ("inspect: started", 0),
    ("hash: started", 0.05),
    ("convert: started", 0),
    ("convert: started", 0.5),
    ("convert: done", 0),
    ("write: started", 0.02),
    ("read-back: started", 0),
    ("prove: started", 0),
)
"""A line of the progress, and how many seconds after it."""


def _proof(output: Path) -> ConversionProof:
    found = read_proof(output)
    assert isinstance(found, ConversionProof)
    return found


def _flat(child: Path, disk: Path) -> None:
    """A child together with its parent."""
    done = imageport("image", "convert", child, disk)
    assert done.returncode == 0, done.stderr


def test_killed_everywhere_and_run_again(tmp_path: Path, own_home: Path) -> None:
    spec = WindowsMaster(Firmware.BIOS, layout=MbrLayout.RESERVED, uefi_loaders=True)
    source, output = tmp_path / "master.vhdx", tmp_path / "master.1.avhdx"
    export(master(spec), source, DiskFormat.VHDX)
    before = sha256(source)
    arguments = ["convert-to-uefi", str(source), "--output", str(output)]
    assert imageport(*arguments).returncode == 0
    undisturbed = _proof(output)
    _flat(output, one := own_home / "undisturbed.qcow2")
    output.unlink()
    shutil.rmtree(output.with_name(f"{output.name}.proof"))

    log: list[str] = []
    killed = [killed_at(pattern, arguments, log, after=after) for pattern, after in _POINTS]
    assert sum(killed) >= len(_POINTS) - 2, log
    if not output.exists():
        done = imageport(*arguments)
        assert done.returncode == 0, (done.stderr, log)
    assert sha256(source) == before
    assert_nothing_left(tmp_path, source, output.name, f"{output.name}.proof")
    assert_home_is_empty(own_home)
    proof = _proof(output)
    assert proof.conversion.layout == undisturbed.conversion.layout
    assert proof.conversion.changes == undisturbed.conversion.changes
    _flat(output, other := own_home / "killed.qcow2")
    # The file systems keep times: of what they hold nothing differs.
    assert content(one, one.with_suffix(".content")) == content(
        other, other.with_suffix(".content")
    )
