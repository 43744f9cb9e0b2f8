"""The phony Windows in an emulated machine: what it boots from, what stops it, its first boot."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from imageport.engine.image.grub import core_image, embed
from imageport.guest.windows.hive import Hive
from imageport.guest.windows.registry_value import Value
from imageport.model.target import Controller, Firmware
from lab.guests import State, WindowsMaster, master
from lab.guests.disk_image import blank_disk, write_mbr
from lab.guests.inside import mounted_ntfs, partitions
from lab.guests.tryout import Machine, Seen, boot

_END = r"NT-BOOT-OK|\*\*\* STOP.*\n|first-boot: complete|never returns"
_SECONDS = 120
_FOLDER = "ProgramData/imageport/first-boot"


def _overlay(image: Path, folder: Path) -> Path:
    made = folder / "overlay.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, made], check=True
    )
    return made


def _boot(image: Path, machine: Machine) -> Seen:
    seen = boot(image, machine, _END, _SECONDS)
    assert seen.found, seen.serial
    return seen


@pytest.mark.parametrize(
    ("firmware", "controller", "driver"),
    [
        (Firmware.UEFI, Controller.AHCI, "storahci"),
        (Firmware.BIOS, Controller.PVSCSI, "pvscsi"),
    ],
)
def test_boots_where_it_came_from(firmware: Firmware, controller: Controller, driver: str) -> None:
    seen = _boot(master(WindowsMaster(firmware)), Machine(firmware, controller))
    assert f"boot driver bound: {driver}" in seen.serial
    assert "NT-BOOT-OK" in seen.serial


@pytest.mark.parametrize(
    ("firmware", "controller", "why"),
    [
        (Firmware.UEFI, Controller.VIRTIO_SCSI, r"PCI\VEN_1AF4&DEV_1004, not even disabled"),
        (Firmware.UEFI, Controller.NVME, "stornvme: its Start is 3, not 0"),
        (Firmware.BIOS, Controller.VIRTIO_SCSI, r"PCI\VEN_1AF4&DEV_1004, not even disabled"),
        (Firmware.BIOS, Controller.IDE, "intelide: its Start is 3, not 0"),
    ],
)
def test_stops_elsewhere(firmware: Firmware, controller: Controller, why: str) -> None:
    seen = _boot(master(WindowsMaster(firmware)), Machine(firmware, controller))
    assert "*** STOP: 0x0000007B (INACCESSIBLE_BOOT_DEVICE)" in seen.serial
    assert why in seen.serial
    assert "NT-BOOT-OK" not in seen.serial


def test_first_boot_runs_once_and_restarts(tmp_path: Path) -> None:
    image = _overlay(master(WindowsMaster()), tmp_path)
    with mounted_ntfs(image, 3, writable=True) as volume:
        _place_first_boot(volume)
    # The machine restarts by itself: the second boot is the one that reaches the logon screen.
    seen = boot(image, Machine(Firmware.UEFI, Controller.AHCI, keep=True), "NT-BOOT-OK", _SECONDS)
    assert seen.found, seen.serial
    assert seen.serial.count("imageport first-boot: complete") == 1
    with mounted_ntfs(image, 3) as volume:
        report = (volume / "ProgramData/imageport/first-boot.report").read_bytes().decode()
        assert not (volume / _FOLDER).exists()
        with Hive.open(volume / "Windows/System32/config/SYSTEM") as system:
            assert system.key(r"ControlSet001\Services\imageport-first-boot") is None
    lines = report.split("\r\n")
    assert lines[-2:] == ["complete", ""]
    assert "fact boot-driver storahci" in lines
    assert "fact kernel 10.0.20348" in lines
    assert "fact address 10.0.2.15" in lines
    assert any(re.fullmatch(r"fact uptime \d+\.\d", line) for line in lines)
    assert "step 1 settings 0" in lines
    assert "step 20 tools 3" in lines
    assert lines.index("step 1 settings 0") < lines.index("step 20 tools 3")


def _place_first_boot(volume: Path) -> None:
    steps = volume / _FOLDER / "steps"
    steps.mkdir(parents=True)
    (volume / _FOLDER / "run.cmd").write_text("@echo off\r\n", newline="")
    (steps / "20-tools.cmd").write_text("@echo off\r\nexit /b 3\r\n", newline="")
    (steps / "01-settings.cmd").write_text("rem nothing\r\n", newline="")
    with Hive.open(volume / "Windows/System32/config/SYSTEM", writable=True) as system:
        key = system.ensure_key(r"ControlSet001\Services\imageport-first-boot")
        key.set_dword("Type", 0x10)
        key.set_dword("Start", 2)
        key.set_dword("ErrorControl", 1)
        key.set_text("ObjectName", "LocalSystem")
        runner = r"C:\ProgramData\imageport\first-boot\run.cmd"
        key.set_text("ImagePath", rf"%SystemRoot%\System32\cmd.exe /c {runner}", expand=True)
        system.commit()


def test_a_hive_broken_offline_stops_the_boot(tmp_path: Path) -> None:
    image = _overlay(master(WindowsMaster(Firmware.BIOS)), tmp_path)
    with mounted_ntfs(image, 2, writable=True) as volume:
        hive = volume / "Windows/System32/config/SOFTWARE"
        hive.write_bytes(hive.read_bytes()[:5000])
    seen = _boot(image, Machine(Firmware.BIOS, Controller.PVSCSI))
    assert "*** STOP: 0xC0000218 (STATUS_CANNOT_LOAD_REGISTRY_FILE)" in seen.serial


def test_a_filter_without_its_driver_stops_the_boot(tmp_path: Path) -> None:
    image = _overlay(master(WindowsMaster(Firmware.BIOS)), tmp_path)
    disks = r"ControlSet001\Control\Class\{4d36e967-e325-11ce-bfc1-08002be10318}"
    with (
        mounted_ntfs(image, 2, writable=True) as volume,
        Hive.open(volume / "Windows/System32/config/SYSTEM", writable=True) as system,
    ):
        system.ensure_key(disks).set(Value.from_strings("UpperFilters", ["partmgr", "gone"]))
        system.commit()
    seen = _boot(image, Machine(Firmware.BIOS, Controller.PVSCSI))
    assert "*** STOP: 0x0000007B" in seen.serial
    assert "UpperFilters of disk drives name gone: there is no such service" in seen.serial


def test_an_ntfs_that_is_none_stops_the_boot(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    shutil.copyfile(master(WindowsMaster(Firmware.BIOS)), image)
    start = partitions(image)[1].offset
    # The boot sector still says NTFS; the master file table that it leads to is gone.
    command = f"write -q -z {start + 8192} {16 << 20}"
    subprocess.run(["qemu-io", "-c", command, image], check=True)
    seen = _boot(image, Machine(Firmware.BIOS, Controller.PVSCSI))
    assert "*** STOP: 0x000000ED (UNMOUNTABLE_BOOT_VOLUME)" in seen.serial


@pytest.mark.parametrize("controller", [Controller.PVSCSI, Controller.NVME])
def test_another_grub_hands_over_to_the_second_disk(controller: Controller, tmp_path: Path) -> None:
    """Prepared or not: what counts is that its loader finds its own disk by the BIOS drive."""
    first = tmp_path / "engine.raw"
    blank_disk(first, 4)
    write_mbr(first, 1, [])
    script = "drivemap -s hd0 hd1\nset root=hd1\nchainloader +1\nboot\n"
    modules = ("drivemap", "chain", "boot", "part_msdos")
    embed(first, core_image("/", modules, script), sector=1, room=2000)
    machine = Machine(Firmware.BIOS, controller, chained=first)
    seen = _boot(master(WindowsMaster(Firmware.BIOS)), machine)
    expected = "NT-BOOT-OK" if controller is Controller.PVSCSI else "STOP: 0x0000007B"
    assert expected in seen.serial


def test_a_hanging_master_hangs() -> None:
    seen = _boot(master(WindowsMaster(hang=True)), Machine(Firmware.UEFI, Controller.AHCI))
    assert "driver labhang never returns" in seen.serial


@pytest.mark.parametrize("state", [State.HIBERNATED, State.DIRTY_VOLUME, State.DIRTY_HIVE])
def test_bad_states_still_boot_at_home(state: State) -> None:
    seen = _boot(master(WindowsMaster(state=state)), Machine(Firmware.UEFI, Controller.AHCI))
    assert "NT-BOOT-OK" in seen.serial
    assert ("is dirty, checking" in seen.serial) == (state is State.DIRTY_VOLUME)
    assert ("recovered from its log" in seen.serial) == (state is State.DIRTY_HIVE)
