"""`imageport proof verify`, as a user types it: what it says of an output that was changed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from imageport.cli.main import application
from imageport.disk.convert import convert
from imageport.disk.manifest import BLOCK
from imageport.disk.mapped import Stored
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.jobs.outputs.local import LocalOutput
from imageport.jobs.proof import MANIFEST, PROOF
from imageport.model.guest import FirstBootReport, Inspection, OsFamily, Preparation
from imageport.model.job import MigrateRequest
from imageport.model.proof import BootTrial, DiskProof, Proof, Verdict
from imageport.model.target import Controller, DiskFormat, Firmware, Target

MIB = 1024 * 1024
SIZE = 9 * MIB
FORMATS = {
    DiskFormat.RAW: "out.raw",
    DiskFormat.VHD_FIXED: "out.vhd",
    DiskFormat.VHD: "out.vhd",
    DiskFormat.VHDX: "out.vhdx",
    DiskFormat.QCOW2: "out.qcow2",
}


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEPORT_HOME", str(tmp_path_factory.mktemp("home")))


def proven(folder: Path, form: DiskFormat, name: str) -> Path:
    """An output with 2 MiB of data from byte 3 MiB on, and the proof that a migration leaves."""
    raw, output, evidence = folder / "master.raw", folder / name, folder / "evidence"
    with open(raw, "wb") as file:
        file.truncate(SIZE)
        file.seek(3 * MIB)
        file.write(random.Random(1).randbytes(2 * MIB))
    convert(raw, output, form)
    evidence.mkdir()
    (evidence / "boot-serial.txt").write_text("login:")
    with open_disk(output) as reader:
        manifest = tree_hash(reader)
        manifest.save(evidence / MANIFEST)
        size, root = reader.size, manifest.root.hex()
    disk = DiskProof(str(output), form, size, output.stat().st_size, root)
    trial = BootTrial("q35", Firmware.BIOS, Controller.AHCI, Verdict.BOOTS, "it says login:", 9.5)
    proof = Proof(
        job="job",
        imageport="0",
        engine="engine",
        started="",
        ended="",
        request=MigrateRequest(str(raw), Target.AHV, str(output)),
        source=disk,
        output=disk,
        inspection=Inspection(
            OsFamily.LINUX,
            "Debian",
            "12",
            "x86_64",
            None,
            Firmware.BIOS,
            "/dev/sda1",
            volumes=(),
            boot_drivers=(),
            products=(),
            network=(),
            findings=(),
        ),
        preparation=Preparation((), (), 1.0),
        first_boot=FirstBootReport(complete=True, steps=()),
        checks_after_boot=(),
        untouched=None,
        boot=trial,
    )
    LocalOutput(output, overwrite=False).prove(proof, evidence)
    return output


def run(*argv: str | Path) -> Result:
    return CliRunner().invoke(application(), [str(each) for each in argv])


def flip(path: Path, position: int) -> None:
    """Change one bit of a file."""
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def position_of(output: Path, offset: int) -> int:
    """Where byte `offset` of a disk lies in its file."""
    with open_disk(output) as reader:
        found = next(reader.runs(offset, offset + 1))
    assert isinstance(found, Stored)
    return found.position


def refusal(output: Path) -> dict[str, Any]:
    """The error with which `proof verify` ends."""
    done = run("proof", "verify", output, "--json")
    assert done.exit_code == 1, done.output
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    assert error["remedy"]
    return error


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("offset", [3 * MIB, 4 * MIB + 77, 5 * MIB - 1])
def test_a_flipped_byte_of_the_output_is_named(
    form: DiskFormat, offset: int, tmp_path: Path
) -> None:
    output = proven(tmp_path, form, FORMATS[form])
    folder = output.with_name(f"{output.name}.proof")
    assert "The proof holds" in run("proof", "verify", output).stdout
    flip(output, position_of(output, offset))
    block = offset // BLOCK * BLOCK
    said = run("proof", "verify", output)
    assert said.exit_code == 1
    assert f"differs first in the block at byte {block}." in " ".join(said.output.split())
    error = refusal(output)
    assert error["code"] == "proof.broken"
    assert f"at byte {block}." in error["sentence"]
    said = run("image", "compare", folder / MANIFEST, output)
    assert said.exit_code == 1
    assert f"{BLOCK} bytes at {block}" in said.output
    # Against the disk that it was made from, the byte itself is known.
    said = run("image", "compare", tmp_path / "master.raw", output)
    assert said.exit_code == 1
    assert f"The first byte that differs is at {offset}." in said.output


def test_a_flipped_byte_of_a_compressed_output_is_named(tmp_path: Path) -> None:
    output = proven(tmp_path, DiskFormat.VMDK, "out.vmdk")
    assert run("proof", "verify", output).exit_code == 0
    flip(output, output.stat().st_size // 2)
    for argv in (
        ("proof", "verify", output),
        ("image", "compare", output.with_name("out.vmdk.proof") / MANIFEST, output),
    ):
        done = run(*argv, "--json")
        assert done.exit_code == 1
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "disk.corrupt"
        assert error["data"]["file"] == str(output)
        assert abs(error["data"]["offset"] - output.stat().st_size // 2) <= 128 * 1024


@pytest.mark.parametrize("name", [PROOF, MANIFEST, "boot-serial.txt"])
def test_a_flipped_byte_of_the_proof_is_found(name: str, tmp_path: Path) -> None:
    output = proven(tmp_path, DiskFormat.RAW, "out.raw")
    path = output.with_name("out.raw.proof") / name
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"job": "job"', b'"job": "jpb"') if name == PROOF else text[1:])
    error = refusal(output)
    assert error["code"] == "proof.broken"
    assert str(path) in error["sentence"]
