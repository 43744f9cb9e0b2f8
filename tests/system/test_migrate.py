"""Masters migrate to real hardware profiles: what does not boot untouched boots when prepared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from imageport.disk.mapped import Stored
from imageport.disk.open import open_disk
from imageport.jobs.proof import MANIFEST, read_proof
from imageport.model.proof import Verdict
from imageport.model.target import PROFILES, Controller, DiskFormat, Firmware, Target
from imageport.platforms.local.hardware import hardware_for
from lab.guests import Flavour, LinuxMaster, Root, WindowsMaster, driver_library, export, master
from tests.system.command import assert_nothing_left, error_of, imageport, proof_of, sha256

pytestmark = pytest.mark.timeout(1800)

WINDOWS_BIOS = WindowsMaster(Firmware.BIOS)
WINDOWS_UEFI = WindowsMaster(Firmware.UEFI)
LINUX_BIOS = LinuxMaster(Firmware.BIOS)
LINUX_UEFI = LinuxMaster(Firmware.UEFI)
LINUX_LVM = LinuxMaster(root=Root.LVM, flavour=Flavour.STORAGE)
LINUX_BTRFS = LinuxMaster(root=Root.BTRFS, flavour=Flavour.STORAGE)
LINUX_XFS = LinuxMaster(root=Root.XFS, flavour=Flavour.STORAGE)
LINUX_DRACUT = LinuxMaster(root=Root.LVM_XFS, flavour=Flavour.DRACUT)
LINUX_NETPLAN = LinuxMaster(Firmware.UEFI, flavour=Flavour.NETPLAN)

_KINDS: dict[Controller, str] = {
    Controller.PVSCSI: "pvscsi or ahci",
    Controller.AHCI: "pvscsi or ahci",
}
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
        layout = ""
        if isinstance(value, LinuxMaster) and value not in (LINUX_BIOS, LINUX_UEFI):
            layout = f"-{value.flavour}-{value.root}"
        return f"{family}-{value.firmware}{layout}"
    return str(value)


FAILS, BOOTS, OPEN = Verdict.DOES_NOT_BOOT, Verdict.BOOTS, Verdict.UNDECIDED
_TEAL, _BLUE = (0x00, 0x4E, 0x63), (0x00, 0x78, 0xD7)
"""The phony Windows' screens: logged off, and stopped."""


class Cell(NamedTuple):
    """An image, the hardware that it goes to, and how it does there untouched."""

    spec: WindowsMaster | LinuxMaster
    form: DiskFormat
    target: Target
    untouched: Verdict


QUICK = (
    Cell(LINUX_BIOS, DiskFormat.VMDK, Target.GCP, FAILS),
    Cell(WINDOWS_BIOS, DiskFormat.VHDX, Target.AHV, FAILS),
    Cell(WINDOWS_BIOS, DiskFormat.VMDK, Target.AWS, FAILS),
    Cell(WINDOWS_BIOS, DiskFormat.VHD, Target.AZURE, FAILS),
    Cell(WINDOWS_UEFI, DiskFormat.RAW, Target.GCP, FAILS),
    Cell(WINDOWS_UEFI, DiskFormat.QCOW2, Target.AWS, FAILS),
    Cell(LINUX_UEFI, DiskFormat.VHDX, Target.AZURE, FAILS),
)
SLOW = (
    Cell(WINDOWS_BIOS, DiskFormat.VHD, Target.VSPHERE, OPEN),
    Cell(WINDOWS_UEFI, DiskFormat.VHD, Target.VSPHERE, OPEN),
    Cell(LINUX_BIOS, DiskFormat.RAW, Target.AWS, FAILS),
    Cell(LINUX_BIOS, DiskFormat.VMDK, Target.VSPHERE, BOOTS),
    Cell(LINUX_BIOS, DiskFormat.VMDK, Target.AZURE, FAILS),
    Cell(LINUX_BIOS, DiskFormat.VMDK, Target.XENSERVER, FAILS),
    Cell(LINUX_UEFI, DiskFormat.VHDX, Target.GCP, FAILS),
    Cell(LINUX_UEFI, DiskFormat.VHDX, Target.VSPHERE, BOOTS),
    Cell(LINUX_UEFI, DiskFormat.VHDX, Target.PVS, BOOTS),
)
LAYOUTS = (
    Cell(LINUX_LVM, DiskFormat.VMDK, Target.AHV, FAILS),
    Cell(LINUX_LVM, DiskFormat.VMDK, Target.AZURE, FAILS),
    Cell(LINUX_BTRFS, DiskFormat.VMDK, Target.AWS, FAILS),
    Cell(LINUX_XFS, DiskFormat.VMDK, Target.GCP, FAILS),
    Cell(LINUX_NETPLAN, DiskFormat.VMDK, Target.GCP, FAILS),
)
"""Other initramfs, volumes and networks than Debian's installer makes by itself."""
QUICK_LAYOUT = Cell(LINUX_DRACUT, DiskFormat.VMDK, Target.GCP, FAILS)


def test_every_guest_meets_every_kind_of_controller() -> None:
    """Four guests on virtio-scsi, on NVMe, and on pvscsi or AHCI, whichever firmware starts."""
    met: dict[str, set[str]] = {}
    for cell in (*QUICK, *SLOW):
        controller = hardware_for(cell.target, cell.spec.firmware).controller
        met.setdefault(_id(cell.spec), set()).add(_KINDS.get(controller, controller))
    assert len(met) == 4
    for kinds in met.values():
        assert kinds >= {"virtio-scsi", "nvme", "pvscsi or ahci"}


@pytest.mark.parametrize(
    ("spec", "form", "target", "untouched"),
    [
        *(*QUICK, QUICK_LAYOUT),
        *(pytest.param(*cell, marks=pytest.mark.slow) for cell in (*SLOW, *LAYOUTS)),
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
    folder = tmp_path / f"{output.name}.proof"
    assert proof["untouched"]["verdict"] == untouched
    _assert_seen(folder, proof["untouched"], spec, stopped=untouched is FAILS)
    assert proof["boot"]["verdict"] == BOOTS
    _assert_seen(folder, proof["boot"], spec, stopped=False)
    assert proof["first_boot"]["complete"]
    assert proof["output"]["format"] == made
    assert all(check["passed"] for check in proof["checks_after_boot"])
    assert read_proof(output).output.root == proof["output"]["root"]
    verified = imageport("proof", "verify", output)
    assert verified.returncode == 0, verified.stderr
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
    error = error_of(imageport("proof", "verify", output, "--json"))
    assert "first in the block at byte 0." in error["sentence"]
    manifest = output.with_name(f"{output.name}.proof") / MANIFEST
    compared = imageport("image", "compare", manifest, output)
    assert compared.returncode == 1
    assert "524288 bytes at 0" in compared.stdout


def _assert_seen(
    folder: Path, trial: dict[str, Any], spec: WindowsMaster | LinuxMaster, *, stopped: bool
) -> None:
    """Serial text and picture of a boot show how it went."""
    windows = isinstance(spec, WindowsMaster)
    said = (folder / trial["serial"]).read_text()
    failure = r"\*\*\* STOP: 0x0000007B" if windows else r"/dev/(sda3|mapper/\S+) does not exist"
    success = ("NT-BOOT-OK" if windows else "login:", "imageport first-boot: complete")
    assert bool(re.search(failure, said)) == stopped, said
    assert any(text in said for text in success) != stopped, said
    with Image.open(folder / trial["picture"]) as picture:
        assert picture.width >= 640
        if windows:
            _assert_colour(picture, _BLUE if stopped else _TEAL)
        elif not stopped:
            # Firmware's logo is coloured. A Linux that stops says so on the serial port alone: its
            # screen stays the boot loader's, or the firmware's.
            assert not _colours(picture.convert("HSV").getchannel("S"))[1:], "text is grey"


def _assert_colour(picture: Image.Image, expected: tuple[int, int, int]) -> None:
    """Most of a picture is in one colour; VGA's palette has six bits of each part."""
    most = _colours(picture.convert("RGB"))[0]
    assert isinstance(most, tuple)
    assert all(abs(a - b) < 4 for a, b in zip(most, expected, strict=True)), most


def _colours(picture: Image.Image) -> list[Any]:
    """Of an image's pixels, the most frequent first."""
    found = picture.getcolors(picture.width * picture.height) or []
    return [colour for _, colour in sorted(found, key=lambda each: -each[0])]
