"""Collecting from disks in every bad state, on real file systems (loop devices, needs root)."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imageport.guest.collecting.collect import FOUND, collect
from imageport.guest.rescue import open_whatever
from imageport.guest.volumes import ESP_TYPES
from imageport.model.diagnostics import DiagnosticsWants
from imageport.model.target import Firmware
from lab.guests import LinuxMaster, State, WindowsMaster, master
from lab.guests.inside import exported, mounted_ntfs, partitions
from lab.guests.traces import HASH, SECRET, damage_file, fail_linux, fail_windows
from tests.golden.host_disk import loop_volumes, run

ALL = DiagnosticsWants()


class Got(NamedTuple):
    """What a collection holds."""

    files: dict[str, bytes]
    found: dict[str, Any]

    @property
    def problems(self) -> str:
        return "\n".join(self.found["problems"])


def collected(image: Path, wants: DiagnosticsWants = ALL) -> Got:
    """Collect from the qcow2 `image`, which stays as it is."""
    disk, archive = image.with_suffix(".raw"), image.with_suffix(".tar")
    run("qemu-img", "convert", "-O", "raw", image, disk)
    with loop_volumes(disk) as found:
        # This computer's kernel may know no FAT.
        volumes = [
            replace(v, kind="unknown") if v.partition_type in ESP_TYPES else v for v in found
        ]
        collect(str(disk), volumes, wants, archive, lambda fraction, doing: None)
    run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", image, disk)
    disk.unlink()
    return unpacked(archive)


def unpacked(archive: Path) -> Got:
    files = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            assert stream is not None
            assert member.name not in files
            files[member.name] = stream.read()
    return Got(files, json.loads(files.pop(FOUND)))


def windows(folder: Path, state: State = State.CLEAN, firmware: Firmware = Firmware.UEFI) -> Path:
    image = folder / "disk.qcow2"
    shutil.copy(master(WindowsMaster(firmware, state=state)), image)
    return image


def failed_windows(folder: Path, state: State = State.CLEAN) -> Path:
    # ntfs-3g would not write to a hibernated one.
    hibernated = state is State.HIBERNATED
    image = windows(folder, State.CLEAN if hibernated else state)
    with mounted_ntfs(image, 3, writable=True) as root:
        fail_windows(root)
        if hibernated:
            (root / "hiberfil.sys").write_bytes(b"HIBR".ljust(1 << 20, b"\0"))
    return image


@contextmanager
def volume_file(image: Path, number: int, folder: Path) -> Iterator[Path]:
    """Partition `number` as a file to be written to."""
    place = folder / "volume"
    with exported(image, place, partitions(image)[number - 1], writable=True):
        yield place


def failed_linux(folder: Path) -> Path:
    image, disk, root = folder / "linux.qcow2", folder / "linux.raw", folder / "root"
    run("qemu-img", "convert", "-O", "raw", master(LinuxMaster(Firmware.BIOS)), disk)
    root.mkdir()
    with loop_volumes(disk) as volumes:
        run("mount", volumes[-1].device, root)
        try:
            fail_linux(root)
        finally:
            run("umount", root)
    run("qemu-img", "convert", "-O", "qcow2", disk, image)
    return image


def assert_no_secret(got: Got) -> None:
    names = "\n".join(got.files).casefold()
    for word in ("shadow", "id_ed25519", "config", "unattend", "cdebconf", "auth.log", "steps/"):
        assert word not in names.replace("first-boot-waiting", "")
    for name, content in got.files.items():
        for secret in (SECRET, HASH, "PRIVATE KEY"):
            assert secret.encode() not in content, name
            assert secret.encode("utf-16-le") not in content, name
    said = json.dumps(got.found)
    assert SECRET not in said
    assert HASH not in said


def test_a_windows_gives_everything_but_secrets(tmp_path: Path) -> None:
    got = collected(failed_windows(tmp_path))
    (system,) = got.found["systems"]
    assert system["inspection"]["hostname"] == "MASTER01"
    assert [dump["path"] for dump in sorted(system["dumps"], key=lambda each: each["path"])] == [
        "Windows/MEMORY.DMP",
        "Windows/Minidump/030126-01.dmp",
    ]
    citrix = "windows/citrix/Users_Administrator_AppData_Local_Temp_Citrix_XenDesktop Installer_"
    assert sorted(got.files) == sorted(
        (
            "engine/kernel.txt",
            "imageport/windows/first-boot-waiting.txt",
            "imageport/windows/first-boot.log",
            "imageport/windows/first-boot.report",
            f"{citrix}MSI Log Files_IcaTS.log",
            f"{citrix}XenDesktop Installation.log",
            "windows/citrix/ProgramData_Citrix_Provisioning Services_Log_BNDevice.log",
            "windows/dumps/030126-01.dmp",
            "windows/event-logs/Application.evtx",
            "windows/event-logs/Microsoft-Windows-Broken%4Operational.evtx",
            "windows/event-logs/System.evtx",
            "windows/setup/Windows_INF_setupapi.dev.log",
            "windows/setup/Windows_Logs_CBS_CBS.log",
            "windows/setup/Windows_Panther_setupact.log",
        )
    )
    assert got.files[f"{citrix}MSI Log Files_IcaTS.log"] == (
        b"Property(C): SVC_PASSWORD = (removed)\r\nReturn value 3.\r\n"
    )
    assert not got.problems
    assert_no_secret(got)


def test_a_linux_gives_everything_but_secrets(tmp_path: Path) -> None:
    got = collected(failed_linux(tmp_path))
    (system,) = got.found["systems"]
    assert system["inspection"]["name"].startswith("Debian")
    # dpkg.log and the like are none of a boot's; what the links lead to is not for us.
    assert sorted(got.files) == [
        "engine/kernel.txt",
        "imageport/linux/first-boot.report",
        "linux/journal-errors.txt",
        "linux/journal.txt",
        "linux/journal/system.journal",
        "linux/log/cloud-init.log",
        "linux/log/installer_syslog",
        "linux/log/syslog",
    ]
    text = got.files["linux/journal.txt"].decode()
    assert "first-boot: started" in text
    assert "login with password=(removed)" in text
    assert text.count("-- Boot ") == 1
    assert b"bad extent" in got.files["linux/journal-errors.txt"]
    assert b"first-boot" not in got.files["linux/journal-errors.txt"]
    assert (
        got.files["linux/log/cloud-init.log"] == b"set password=(removed) for x\n(removed)\ndone\n"
    )
    assert_no_secret(got)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (State.DIRTY_VOLUME, "The partition 3 is marked for a check."),
        (State.HIBERNATED, "is hibernated"),
        (State.DIRTY_HIVE, ""),
        (State.OLD_VERSION, ""),
    ],
)
def test_what_a_migration_refuses_is_read(tmp_path: Path, state: State, problem: str) -> None:
    got = collected(failed_windows(tmp_path, state))
    assert problem in got.problems
    assert len([name for name in got.files if name.startswith("windows/")]) > 8
    (system,) = got.found["systems"]
    refused = state in (State.DIRTY_HIVE, State.OLD_VERSION)
    assert (system["inspection"] is None) is refused
    assert bool(system["error"]) is refused


def test_a_file_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    image = failed_windows(tmp_path)
    with volume_file(image, 3, tmp_path) as volume:
        damage_file(volume, "setupapi.dev.log")
    got = collected(image)
    assert "setupapi.dev.log" not in " ".join(got.files)
    assert "cannot be read" in got.problems
    assert "windows/event-logs/System.evtx" in got.files
    assert "windows/setup/Windows_Panther_setupact.log" in got.files


def test_hives_that_are_gone_cost_the_inspection(tmp_path: Path) -> None:
    image = failed_windows(tmp_path)
    with mounted_ntfs(image, 3, writable=True) as root:
        (root / "Windows/System32/config/SYSTEM").write_bytes(b"regf" + bytes(8188))
        (root / "Windows/System32/config/SOFTWARE").unlink()
    got = collected(image)
    (system,) = got.found["systems"]
    assert system["inspection"] is None
    assert system["error"]
    assert "windows/event-logs/System.evtx" in got.files


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (State.BITLOCKER, "is encrypted by BitLocker: it was not read."),
        (State.DATA_DISK, "No operating system was found on the disk."),
    ],
)
def test_a_disk_with_nothing_to_read(tmp_path: Path, state: State, problem: str) -> None:
    got = collected(windows(tmp_path, state))
    assert problem in got.problems
    assert got.found["systems"] == []
    assert list(got.files) == ["engine/kernel.txt"]


def test_a_windows_volume_without_its_first_sector(tmp_path: Path) -> None:
    image = windows(tmp_path)
    with volume_file(image, 3, tmp_path) as volume, volume.open("r+b") as file:
        file.write(bytes(512))
    assert "The partition 3 begins as no file system: it was not read." in collected(image).problems


def test_devices_are_writable_again(tmp_path: Path) -> None:
    """A loop device that stayed read-only would be so for the next file, too."""
    disk = tmp_path / "disk.raw"
    run("qemu-img", "convert", "-O", "raw", master(WindowsMaster(Firmware.UEFI)), disk)
    with loop_volumes(disk) as volumes:
        system = volumes[2]
        with open_whatever(str(disk), [system]) as rescued:
            assert len(rescued.guests) == 1
            assert run("blockdev", "--getro", system.device).strip() == "1"
        assert run("blockdev", "--getro", system.device).strip() == "0"


def test_a_disk_without_anything(tmp_path: Path) -> None:
    archive = tmp_path / "collection.tar"
    done = collect("/dev/none", (), ALL, archive, lambda fraction, doing: None)
    got = unpacked(archive)
    assert (done.systems, done.problems) == (0, 1)
    assert got.problems == "No operating system was found on the disk."


def test_only_what_is_wanted(tmp_path: Path) -> None:
    image = failed_windows(tmp_path)
    for wants, tops in (
        (DiagnosticsWants(engine_logs=True, system_logs=False, own_data=False), {"engine"}),
        (DiagnosticsWants(engine_logs=False, system_logs=True, own_data=False), {"windows"}),
        (DiagnosticsWants(engine_logs=False, system_logs=False, own_data=True), {"imageport"}),
    ):
        got = collected(image, wants)
        assert {name.split("/")[0] for name in got.files} == tops
