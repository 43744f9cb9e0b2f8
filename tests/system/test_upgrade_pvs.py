"""A vDisk gets another target device: its Windows boots from its own disk, a child holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imageport.jobs.proof import check_proof, read_proof
from imageport.model.target import DiskFormat, Firmware
from imageport.model.windows_facts import CitrixPart
from lab.guests import Vda, WindowsMaster, export, master
from lab.guests.citrix_installers import pvs_installer
from tests.system.command import assert_nothing_left, error_of, imageport, proof_of, sha256

pytestmark = pytest.mark.timeout(1800)

PARTS = (CitrixPart.MISA, CitrixPart.PVS_TARGET)
VDISK_UEFI = WindowsMaster(Firmware.UEFI, vda=Vda.LTSR_2203, components=PARTS)
VDISK_BIOS = WindowsMaster(Firmware.BIOS, vda=Vda.LTSR_2203, components=PARTS)


def target_device(proof: dict[str, Any]) -> str:
    """The version that was found in the vDisk before it was upgraded."""
    parts = proof["inspection"]["windows"]["citrix"]
    (version,) = (each["version"] for each in parts if each["part"] == CitrixPart.PVS_TARGET)
    return str(version)


def chain(path: Path) -> list[str]:
    """The files of an image, by `imageport image info`."""
    done = imageport("image", "info", path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return [Path(each).name for each in json.loads(done.stdout)["chain"]]


def test_a_version_of_a_version(tmp_path: Path) -> None:
    vdisk, first, second = (tmp_path / name for name in ("win.vhdx", "win.1.avhdx", "win.2.avhdx"))
    export(master(VDISK_UEFI), vdisk, DiskFormat.VHDX)
    before = sha256(vdisk)
    source = pvs_installer(tmp_path.with_name(f"{tmp_path.name}-source"), "7.41.100")
    pvs_installer(source, "7.44.0", code=3010)

    command = ("upgrade-pvs", vdisk, "--components", source, "--json")
    done = imageport(*command, "--pvs-version", "2402", "--output", first, seconds=1500)

    proof = proof_of(done)
    assert sha256(vdisk) == before
    steps = {step["name"]: step["exit_code"] for step in proof["first_boot"]["steps"]}
    assert steps == {"install-pvs-target-device": 3010}
    assert proof["first_boot"]["restarts"] == 1, "the new drivers were booted, too"
    assert proof["preparation"]["changes"][0]["fixup"] == "upgrade-pvs"
    checks = {check["what"]: check["seen"] for check in proof["checks_after_boot"]}
    assert checks["the Provisioning target device is version 2402"] == "version 7.41.100"
    assert all(check["passed"] for check in proof["checks_after_boot"])
    assert (proof["output"]["format"], chain(first)) == ("vhdx", ["win.1.avhdx", "win.vhdx"])
    assert proof["output"]["file_size"] < proof["source"]["file_size"]
    assert check_proof(first)
    assert target_device(proof) == "7.33.5000.12"

    held = sha256(first)
    command = ("upgrade-pvs", first, "--components", source, "--json")
    proof = proof_of(imageport(*command, "--pvs-version", "7.44.0", "--output", second))
    assert (sha256(vdisk), sha256(first)) == (before, held)
    assert chain(second) == ["win.2.avhdx", "win.1.avhdx", "win.vhdx"]
    assert proof["source"]["root"] == read_proof(first).output.root
    assert target_device(proof) == "7.41.100"

    command = ("upgrade-pvs", second, "--components", source, "--json")
    done = imageport(*command, "--pvs-version", "7.44", "--output", tmp_path / "win.3.avhdx")
    assert done.returncode == 0, done.stderr
    idle = json.loads(done.stdout)["nothing_to_do"]
    assert idle["code"] == "job.nothing-to-do"
    assert "7.44.0 already" in idle["sentence"]
    proofs = [f"{each.name}.proof" for each in (first, second)]
    assert_nothing_left(tmp_path, vdisk, first.name, second.name, *proofs)


@pytest.mark.slow
def test_a_vhd_of_a_bios_machine(tmp_path: Path) -> None:
    vdisk, child = tmp_path / "win.vhd", tmp_path / "win.1.avhd"
    export(master(VDISK_BIOS), vdisk, DiskFormat.VHD)
    before = sha256(vdisk)
    source = pvs_installer(tmp_path.with_name(f"{tmp_path.name}-source"), "7.41.100")
    command = ("upgrade-pvs", vdisk, "--components", source, "--pvs-version", "7.41", "--json")
    proof = proof_of(imageport(*command, "--output", child, seconds=1500))
    assert proof["boot"]["controller"] == "pvscsi"
    assert sha256(vdisk) == before
    assert chain(child) == ["win.1.avhd", "win.vhd"]
    checks = {check["what"]: check["seen"] for check in proof["checks_after_boot"]}
    assert checks["the Provisioning target device is version 7.41"] == "version 7.41.100"


@pytest.mark.slow
def test_an_installer_that_installs_something_else(tmp_path: Path) -> None:
    vdisk = tmp_path / "win.vhdx"
    export(master(VDISK_UEFI), vdisk, DiskFormat.VHDX)
    source = pvs_installer(tmp_path.with_name(f"{tmp_path.name}-source"), "7.40.0")
    (source / "7.40.0").rename(source / "7.41.0")
    command = ("upgrade-pvs", vdisk, "--components", source, "--pvs-version", "7.41.0", "--json")
    before = sha256(vdisk)
    error = error_of(imageport(*command, "--output", tmp_path / "win.1.avhdx", seconds=1500))
    assert error["code"] == "job.not-verified"
    assert "version 7.40.0" in error["sentence"]
    assert sha256(vdisk) == before
    assert_nothing_left(tmp_path, vdisk, "win.1.avhdx.failure")
