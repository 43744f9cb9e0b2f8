"""virt-inspector and our own inspection say the same of an image."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from imageport.guest.inspect import inspect
from imageport.model.guest import Inspection, OsFamily
from imageport.model.target import DiskFormat, Firmware
from lab.guests import Flavour, LinuxMaster, Product, Root, WindowsMaster, export, master
from lab.guests.windows_spec import RELEASES, Agent, Tools, Vda
from tests.golden.host_disk import host_guest, run
from tests.golden.oracles.inspector import Seen, inspected
from tests.system.command import imageport

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("libguestfs"), pytest.mark.timeout(1200)]

WINDOWS = (
    *(WindowsMaster(list(Firmware)[number % 2], product) for number, product in enumerate(Product)),
    WindowsMaster(tools=Tools.XENSERVER, vda=Vda.LTSR_2203, joined=True),
    WindowsMaster(Firmware.BIOS, tools=Tools.NUTANIX, agents=(Agent.AZURE, Agent.SSM)),
)
LINUX = (
    LinuxMaster(Firmware.BIOS),
    LinuxMaster(Firmware.UEFI),
    LinuxMaster(root=Root.BTRFS, flavour=Flavour.STORAGE),
    LinuxMaster(root=Root.XFS, flavour=Flavour.STORAGE),
    LinuxMaster(Firmware.UEFI, flavour=Flavour.NETPLAN),
)
VOLUME_GROUPS = (
    LinuxMaster(root=Root.LVM, flavour=Flavour.STORAGE),
    LinuxMaster(root=Root.LVM_XFS, flavour=Flavour.DRACUT),
)


def by_us(spec: WindowsMaster | LinuxMaster, folder: Path) -> Inspection:
    image = folder / "disk.raw"
    run("qemu-img", "convert", "-O", "raw", master(spec), image)
    with host_guest(image, writable=False, scratch=folder) as guest:
        return inspect(guest)


def assert_same_disk(ours: Inspection, seen: Seen) -> None:
    """The system's volume, its file systems, and whose it is."""
    (root,) = (volume for volume in ours.volumes if volume.device == ours.root)
    assert root.uuid == seen.root
    assert {(each.uuid, each.kind) for each in ours.volumes} >= seen.file_systems
    assert (seen.root, root.kind) in seen.file_systems
    assert (ours.architecture, ours.hostname) == (seen.architecture, seen.hostname)


@pytest.mark.parametrize("spec", WINDOWS, ids=lambda spec: f"{spec.product}-{spec.tools}")
def test_windows(tmp_path: Path, spec: WindowsMaster) -> None:
    ours, seen = by_us(spec, tmp_path), inspected(master(spec), tmp_path)
    assert_same_disk(ours, seen)
    assert ours.family is OsFamily.WINDOWS
    assert (seen.name, seen.distribution) == ("windows", "windows")
    assert seen.product == RELEASES[spec.product].product_name
    eleven = spec.product is Product.WINDOWS_11
    named = seen.product.replace(" 10 ", " 11 ") if eleven else seen.product
    assert ours.name.startswith(named), "in the registry, Windows 11 is a Windows 10"
    assert ours.version.startswith(f"{seen.version}.")
    assert ours.windows is not None
    assert seen.control_set == ours.windows.control_set
    assert {product.name for product in ours.windows.installed} == seen.applications


@pytest.mark.parametrize("spec", LINUX, ids=lambda spec: f"{spec.firmware}-{spec.root}")
def test_linux(tmp_path: Path, spec: LinuxMaster) -> None:
    assert_same_linux(by_us(spec, tmp_path), inspected(master(spec), tmp_path))


@pytest.mark.parametrize("spec", VOLUME_GROUPS, ids=lambda spec: spec.root)
def test_linux_in_a_volume_group(tmp_path: Path, spec: LinuxMaster) -> None:
    """Ours is the engine's: this computer may have no device mapper."""
    image = tmp_path / "disk.qcow2"
    export(master(spec), image, DiskFormat.QCOW2)
    done = imageport("inspect", image, "--json")
    assert done.returncode == 0, done.stderr
    ours = TypeAdapter(Inspection).validate_python(json.loads(done.stdout)["inspection"])
    assert_same_linux(ours, inspected(image, tmp_path))


def assert_same_linux(ours: Inspection, seen: Seen) -> None:
    assert_same_disk(ours, seen)
    assert ours.family is OsFamily.LINUX
    assert (seen.name, seen.distribution) == ("linux", "debian")
    assert seen.version.split(".")[0] == ours.version
    assert ours.name.startswith(f"Debian GNU/Linux {ours.version}")
    assert seen.product == seen.version, "of Debian it says /etc/debian_version"
    assert {product.name for product in ours.products} <= seen.applications


def test_a_difference_is_seen(tmp_path: Path) -> None:
    spec = WindowsMaster()
    ours = by_us(spec, tmp_path)
    seen = inspected(master(dataclasses.replace(spec, computer_name="OTHER")), tmp_path)
    with pytest.raises(AssertionError):
        assert_same_disk(ours, seen)
