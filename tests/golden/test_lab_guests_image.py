"""What is in the master images, read without booting them."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from imageport.guest.windows.hive import Hive, HiveDirtyError
from imageport.model.target import DiskFormat, Firmware
from lab.guests import LinuxMaster, Product, State, WindowsMaster, driver_library, export, master
from lab.guests.cache import cache_home, cached
from lab.guests.disk_image import SECTOR
from lab.guests.inside import exported, mounted_ntfs, partitions
from lab.guests.phony_nt.batch import exit_code
from lab.guests.phony_nt.drivers import IDE_CHANNEL, DriverLookup

_CONFIG = "Windows/System32/config"


def _raw(image: Path, folder: Path, offset: int, length: int) -> bytes:
    shown = folder / f"shown-{offset}"
    with exported(image, shown), shown.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


@pytest.mark.parametrize("firmware", list(Firmware))
def test_drivers_of_a_vsphere_master(firmware: Firmware) -> None:
    image = master(WindowsMaster(firmware))
    with (
        mounted_ntfs(image, len(partitions(image))) as volume,
        Hive.open(volume / _CONFIG / "SYSTEM") as system,
    ):
        lookup = DriverLookup(system, "ControlSet001", volume / "Windows")
        assert lookup.obstacles() == []
        expected = {
            r"PCI\VEN_15AD&DEV_07C0": ("pvscsi", None),
            r"PCI\CC_0106": ("storahci", None),
            r"PCI\CC_010802": ("stornvme", "its Start is 3, not 0"),
            r"PCI\VEN_8086&DEV_7010": ("intelide", "its Start is 3, not 0"),
            IDE_CHANNEL: ("atapi", "its Start is 3, not 0"),
        }
        for device, answer in expected.items():
            (match,) = lookup.best([device])
            assert (match.service, match.problem) == answer
        assert lookup.best([r"PCI\VEN_1AF4&DEV_1004"]) == []
        assert lookup.start_problem("storvsc") == "its Start is 3, not 0"
        assert lookup.network_service([r"PCI\VEN_15AD&DEV_07B0"]) == "vmxnet3ndis6"
        names = {name for name, _ in lookup.boot_files()}
        assert {"pvscsi", "storahci", "LSI_SAS", "disk"} <= names


def test_what_makes_a_driver_load(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    export(master(WindowsMaster()), image, DiskFormat.QCOW2)
    with mounted_ntfs(image, 3, writable=True) as volume:
        windows = volume / "Windows"
        with Hive.open(volume / _CONFIG / "SYSTEM", writable=True) as system:
            lookup = DriverLookup(system, "ControlSet001", windows)
            service = system.ensure_key(r"ControlSet001\Services\stornvme")
            service.set_dword("Start", 0)
            assert lookup.start_problem("stornvme") is None
            service.ensure_key("StartOverride").set_dword("0", 3)
            assert lookup.start_problem("stornvme") == "StartOverride makes its Start 3"
            service.delete_key("StartOverride")
            service.set_text("ImagePath", r"\SystemRoot\system32\DRIVERS\StorNVMe.sys")
            assert lookup.start_problem("stornvme") is None
            (windows / "System32/drivers/stornvme.sys").unlink()
            assert "is missing" in str(lookup.start_problem("stornvme"))


@pytest.mark.parametrize("product", list(Product))
def test_products_are_told_apart(product: Product) -> None:
    image = master(WindowsMaster(product=product))
    with mounted_ntfs(image, 3) as volume, Hive.open(volume / _CONFIG / "SOFTWARE") as software:
        version = software.key(r"Microsoft\Windows NT\CurrentVersion")
        assert version is not None
        builds = {
            Product.SERVER_2016: "14393",
            Product.SERVER_2019: "17763",
            Product.SERVER_2022: "20348",
            Product.SERVER_2025: "26100",
            Product.WINDOWS_10: "19045",
            Product.WINDOWS_11: "22631",
        }
        assert version.text("CurrentBuild") == builds[product]


def test_bad_states_are_what_they_say(tmp_path: Path) -> None:
    hibernated = master(WindowsMaster(state=State.HIBERNATED))
    with mounted_ntfs(hibernated, 3) as volume:
        assert (volume / "hiberfil.sys").read_bytes()[:4] == b"HIBR"
    dirty_hive = master(WindowsMaster(state=State.DIRTY_HIVE))
    with mounted_ntfs(dirty_hive, 3) as volume, pytest.raises(HiveDirtyError):
        Hive.open(volume / _CONFIG / "SYSTEM")
    for state, dirty in ((State.DIRTY_VOLUME, True), (State.CLEAN, False)):
        image = master(WindowsMaster(state=state))
        shown = tmp_path / f"{state}.ntfs"
        with exported(image, shown, partitions(image)[2]):
            command = ["ntfsinfo", "-m", "-f", str(shown)]
            told = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ("DIRTY" in told.stdout) == dirty, told.stdout + told.stderr
    locked = master(WindowsMaster(state=State.BITLOCKER))
    assert _raw(locked, tmp_path, partitions(locked)[2].offset, 11)[3:] == b"-FVE-FS-"
    with mounted_ntfs(master(WindowsMaster(state=State.DATA_DISK)), 1) as volume:
        assert [each.name for each in volume.iterdir()] == ["Reports"]


def test_mbr_keeps_signature_and_table_beside_the_boot_code(tmp_path: Path) -> None:
    first = _raw(master(WindowsMaster(Firmware.BIOS)), tmp_path, 0, SECTOR)
    assert first[510:] == b"\x55\xaa"
    assert struct.unpack_from("<I", first, 440)[0] != 0
    assert [first[446 + 16 * i] for i in range(4)] == [0x80, 0, 0, 0]
    assert [first[450 + 16 * i] for i in range(4)] == [7, 7, 0, 0]
    assert any(first[:440])


@pytest.mark.parametrize("firmware", list(Firmware))
def test_linux_master_is_bound_to_its_source(firmware: Firmware, tmp_path: Path) -> None:
    image = master(LinuxMaster(firmware))
    shown = tmp_path / "root"
    with exported(image, shown, partitions(image)[2]):

        def cat(name: str) -> str:
            command = ["debugfs", "-R", f"cat {name}", str(shown)]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        assert "/dev/sda3 / ext4" in cat("/etc/fstab")
        assert ("/boot/efi vfat" in cat("/etc/fstab")) == (firmware is Firmware.UEFI)
        assert "root=/dev/sda3 ro" in cat("/boot/grub/grub.cfg")
        assert "MODULES=list" in cat("/etc/initramfs-tools/initramfs.conf")
        assert 'NAME="ens192"' in cat("/etc/udev/rules.d/70-persistent-net.rules")
        assert "iface ens192 inet static" in cat("/etc/network/interfaces")


def test_luks_root_is_recognised(tmp_path: Path) -> None:
    image = master(LinuxMaster(luks=True))
    shown = tmp_path / "root"
    with exported(image, shown, partitions(image)[2]):
        command = ["blkid", "-p", "-o", "value", "-s", "TYPE", str(shown)]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "crypto_LUKS"


def test_driver_library_has_virtio_win_layout(tmp_path: Path) -> None:
    library = driver_library(tmp_path / "drivers")
    folder = library / "vioscsi/2k22/amd64"
    assert sorted(each.name for each in folder.iterdir()) == [
        "vioscsi.cat",
        "vioscsi.inf",
        "vioscsi.sys",
    ]
    assert "PCI\\VEN_1AF4&DEV_1048\r\n" in (folder / "vioscsi.inf").read_bytes().decode()
    assert (folder / "vioscsi.sys").read_bytes()[:2] == b"MZ"


def test_cache_builds_once_and_leaves_nothing_of_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEPORT_HOME", str(tmp_path))
    calls = []

    def build(made: Path) -> None:
        calls.append(made)
        made.write_text("made")

    def fail(made: Path) -> None:
        made.write_text("half")
        raise OSError("disk full")

    assert cached("kind/name", build) == cached("kind/name", build)
    assert len(calls) == 1
    with pytest.raises(OSError, match="disk full"):
        cached("kind/other", fail)
    left = {each for each in os.listdir(cache_home() / "kind") if not each.startswith(".")}
    assert left == {"name"}
    assert not list(cache_home().glob(".build-*"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("@echo off\r\n", 0),
        ("exit /b 5\r\nexit /b 6\r\n", 5),
        ("@exit 7", 7),
        ("if errorlevel 1 exit /b 9\r\nEXIT /B\r\n", 0),
        ("goto :eof\r\nexit /b 2\r\n", 0),
        ("exit /b -1\r\n", -1),
    ],
)
def test_exit_code_of_a_step(tmp_path: Path, text: str, code: int) -> None:
    script = tmp_path / "10-x.cmd"
    script.write_bytes(text.encode())
    assert exit_code(script) == code
