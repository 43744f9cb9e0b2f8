"""Masters migrate to real hardware profiles: what does not boot untouched boots when prepared."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from imageport.disk.mapped import Stored
from imageport.disk.open import open_disk
from imageport.jobs.errors import ProofBroken
from imageport.jobs.proof import check_proof, read_proof
from imageport.model.proof import Verdict
from imageport.model.target import PROFILES, DiskFormat, Firmware, Target
from lab.guests import LinuxMaster, WindowsMaster, driver_library, export, master
from tests.system.command import assert_nothing_left, imageport, proof_of, sha256

pytestmark = pytest.mark.timeout(1800)

WINDOWS_BIOS = WindowsMaster(Firmware.BIOS)
WINDOWS_UEFI = WindowsMaster(Firmware.UEFI)
LINUX_BIOS = LinuxMaster(Firmware.BIOS)
LINUX_UEFI = LinuxMaster(Firmware.UEFI)

_SUFFIX = {
    DiskFormat.RAW: "raw",
    DiskFormat.VHD: "vhd",
    DiskFormat.VHD_FIXED: "vhd",
    DiskFormat.VHDX: "vhdx",
    DiskFormat.VMDK: "vmdk",
    DiskFormat.QCOW2: "qcow2",
}


def _id(value: object) -> str:
    if isinstance(value, WindowsMaster | LinuxMaster):
        family = "windows" if isinstance(value, WindowsMaster) else "linux"
        return f"{family}-{value.firmware}"
    return str(value)


FAILS, BOOTS, OPEN = Verdict.DOES_NOT_BOOT, Verdict.BOOTS, Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("spec", "form", "target", "untouched"),
    [
        (LINUX_BIOS, DiskFormat.VMDK, Target.GCP, FAILS),
        (WINDOWS_BIOS, DiskFormat.VHDX, Target.AHV, FAILS),
        (WINDOWS_BIOS, DiskFormat.VMDK, Target.AWS, FAILS),
        (WINDOWS_BIOS, DiskFormat.VHD, Target.AZURE, FAILS),
        (WINDOWS_UEFI, DiskFormat.RAW, Target.GCP, FAILS),
        (WINDOWS_UEFI, DiskFormat.QCOW2, Target.AWS, FAILS),
        (LINUX_UEFI, DiskFormat.VHDX, Target.AZURE, FAILS),
        pytest.param(WINDOWS_BIOS, DiskFormat.VHD, Target.VSPHERE, OPEN, marks=pytest.mark.slow),
        pytest.param(WINDOWS_UEFI, DiskFormat.VHD, Target.VSPHERE, OPEN, marks=pytest.mark.slow),
        pytest.param(LINUX_BIOS, DiskFormat.RAW, Target.AWS, FAILS, marks=pytest.mark.slow),
        pytest.param(LINUX_BIOS, DiskFormat.VMDK, Target.VSPHERE, BOOTS, marks=pytest.mark.slow),
        pytest.param(LINUX_BIOS, DiskFormat.VMDK, Target.AZURE, FAILS, marks=pytest.mark.slow),
        pytest.param(LINUX_BIOS, DiskFormat.VMDK, Target.XENSERVER, FAILS, marks=pytest.mark.slow),
        pytest.param(LINUX_UEFI, DiskFormat.VHDX, Target.GCP, FAILS, marks=pytest.mark.slow),
        pytest.param(LINUX_UEFI, DiskFormat.VHDX, Target.VSPHERE, BOOTS, marks=pytest.mark.slow),
        pytest.param(LINUX_UEFI, DiskFormat.VHDX, Target.PVS, BOOTS, marks=pytest.mark.slow),
    ],
    ids=_id,
)
def test_boots_after_and_not_before(
    tmp_path: Path,
    spec: WindowsMaster | LinuxMaster,
    form: DiskFormat,
    target: Target,
    untouched: Verdict,
) -> None:
    source = tmp_path / f"master.{_SUFFIX[form]}"
    export(master(spec), source, form)
    before = sha256(source)
    made = PROFILES[target].format
    output = tmp_path / f"out.{_SUFFIX[made]}"
    library = driver_library(tmp_path.with_name(tmp_path.name + "-drivers"))
    drivers = ["--drivers", str(library)] if isinstance(spec, WindowsMaster) else []

    done = imageport(
        "migrate", source, "--to", target, "--output", output, "--json", *drivers, seconds=1500
    )

    proof = proof_of(done)
    assert sha256(source) == before
    assert proof["untouched"]["verdict"] == untouched
    assert proof["boot"]["verdict"] == BOOTS
    assert proof["first_boot"]["complete"]
    assert proof["output"]["format"] == made
    assert all(check["passed"] for check in proof["checks_after_boot"])
    folder = tmp_path / f"{output.name}.proof"
    for name in (proof["boot"]["picture"], proof["boot"]["serial"]):
        assert (folder / name).stat().st_size > 0
    with Image.open(folder / proof["boot"]["picture"]) as picture:
        assert picture.width >= 640
    assert read_proof(output).output.root == proof["output"]["root"]
    assert check_proof(output)
    assert_nothing_left(tmp_path, source, output.name, folder.name)
    _assert_a_flipped_byte_is_found(output)


def _assert_a_flipped_byte_is_found(output: Path) -> None:
    """The first byte of the boot code, which lies as it is in every format but VMDK's."""
    with open_disk(output) as reader:
        run = next(reader.runs(0, 512))
    if not isinstance(run, Stored):
        assert output.suffix == ".vmdk"
        return
    with open(output, "r+b") as file:
        file.seek(run.position)
        byte = file.read(1)[0]
        file.seek(run.position)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(ProofBroken, match="first in the block at byte 0"):
        check_proof(output)
