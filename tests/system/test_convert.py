"""`imageport convert-to-uefi`: a disk that only a BIOS starts has a child that UEFI starts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from imageport.disk.open import open_disk
from imageport.jobs.proof import check_proof, read_proof
from imageport.model.proof import ConversionProof
from imageport.model.target import Controller, DiskFormat, Firmware
from lab.guests import LinuxMaster, MbrLayout, State, WindowsMaster, export, master
from lab.guests.tryout import Machine, Seen, boot
from tests.system.command import assert_nothing_left, error_of, imageport, proof_of, sha256

pytestmark = pytest.mark.timeout(1800)

_END = r"NT-BOOT-OK|\*\*\* STOP.*\n|UEFI Interactive Shell|No bootable"
_UEFI = Machine(Firmware.UEFI, Controller.AHCI)
_BIOS = Machine(Firmware.BIOS, Controller.AHCI)


def _booted(image: Path, machine: Machine, folder: Path) -> Seen:
    """The image, of any format, started as the lab does it."""
    disk = folder / "booted.qcow2"
    disk.unlink(missing_ok=True)
    done = imageport("image", "convert", image, disk)
    assert done.returncode == 0, done.stderr
    return boot(disk, machine, _END, 300)


def _windows(layout: MbrLayout, state: State = State.CLEAN) -> Path:
    return master(WindowsMaster(Firmware.BIOS, state=state, layout=layout, uefi_loaders=True))


@pytest.mark.parametrize(
    ("layout", "form", "child", "roles"),
    [
        (MbrLayout.RESERVED, DiskFormat.VHDX, "master.1.avhdx", ["efi-system", "basic-data"]),
        pytest.param(
            MbrLayout.SINGLE,
            DiskFormat.VHD,
            "master.1.vhd",
            ["basic-data", "efi-system", "microsoft-reserved"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            MbrLayout.RECOVERY,
            DiskFormat.QCOW2,
            "master.1.qcow2",
            ["basic-data", "basic-data", "recovery", "efi-system", "microsoft-reserved"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else None,
)
def test_uefi_starts_the_child_and_not_the_source(
    tmp_path: Path, layout: MbrLayout, form: DiskFormat, child: str, roles: list[str]
) -> None:
    folder, aside = tmp_path / "store", tmp_path / "aside"
    folder.mkdir()
    aside.mkdir()
    source, output = folder / f"master.{form}", folder / child
    export(_windows(layout), source, form)
    before = sha256(source)

    planned = imageport("convert-to-uefi", source, "--output", output, "--dry-run", "--json")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    assert_nothing_left(folder, source)
    proof = proof_of(imageport("convert-to-uefi", source, "--output", output, "--json"))

    assert sha256(source) == before
    done = proof["conversion"]
    assert (done["layout"], done["changes"]) == (plan["layout"], plan["changes"])
    assert [each["role"] for each in done["layout"]["partitions"]] == roles
    assert all(check["passed"] for check in done["checks"])
    proved = read_proof(output)
    assert isinstance(proved, ConversionProof)
    assert proved.output.root == proof["output"]["root"] != proof["source"]["root"]
    assert check_proof(output)
    assert_nothing_left(folder, source, output.name, f"{output.name}.proof")
    info = imageport("image", "info", output, "--json")
    assert source.name in info.stdout
    assert output.stat().st_blocks < source.stat().st_blocks

    assert "NT-BOOT-OK" in _booted(source, _BIOS, aside).serial
    assert "NT-BOOT-OK" not in _booted(source, _UEFI, aside).serial
    assert "NT-BOOT-OK" in _booted(output, _UEFI, aside).serial
    _assert_sound(output, aside / "disk.raw")


def _assert_sound(output: Path, raw: Path) -> None:
    """Other programs' opinion of the partition table and of the EFI system partition."""
    assert imageport("image", "convert", output, raw).returncode == 0
    said = subprocess.run(["sgdisk", "--verify", raw], capture_output=True, text=True, check=True)
    assert "No problems found" in said.stdout
    table = json.loads(subprocess.run(
        ["sfdisk", "--json", raw], capture_output=True, check=True).stdout)  # fmt: skip
    esp = next(
        each
        for each in table["partitiontable"]["partitions"]
        if each["type"].lower() == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    )
    volume = raw.with_name("esp.fat")
    with raw.open("rb") as disk:
        disk.seek(esp["start"] * 512)
        volume.write_bytes(disk.read(esp["size"] * 512))
    subprocess.run(["fsck.vfat", "-n", volume], capture_output=True, check=True)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (WindowsMaster(Firmware.UEFI), "convert.not-mbr"),
        (LinuxMaster(Firmware.BIOS), "convert.not-windows"),
        (WindowsMaster(Firmware.BIOS), "convert.no-boot-manager"),
    ],
    ids=["uefi", "linux", "no loaders"],
)
def test_what_is_refused(tmp_path: Path, spec: WindowsMaster | LinuxMaster, code: str) -> None:
    source = tmp_path / "master.qcow2"
    export(master(spec), source, DiskFormat.QCOW2)
    before = sha256(source)
    done = imageport("convert-to-uefi", source, "--output", tmp_path / "child.qcow2", "--json")
    error = error_of(done)
    assert error["code"] == "guest.not-convertible"
    assert code in error["data"]["findings"]
    assert sha256(source) == before
    assert_nothing_left(tmp_path, source)


def test_a_child_lies_beside_its_parent_and_says_what_it_is(tmp_path: Path) -> None:
    source = tmp_path / "master.vhdx"
    export(_windows(MbrLayout.RESERVED), source, DiskFormat.VHDX)
    (tmp_path / "elsewhere").mkdir()
    for output, code in (
        (tmp_path / "elsewhere/child.vhdx", "job.child-folder"),
        (tmp_path / "child.qcow2", "job.child-name"),
        (source, "job.output-exists"),
    ):
        done = imageport("convert-to-uefi", source, "--output", output, "--json")
        assert error_of(done)["code"] == code
    with open_disk(source) as reader:
        assert reader.format is DiskFormat.VHDX
