"""Real master images of the lab: a Debian that apt installed, and the phony Windows on NTFS."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imageport.guest.errors import BitLockerError, DirtyNtfsError, GuestError, HibernatedError
from imageport.guest.errors import NoOperatingSystemError as NoOs
from imageport.guest.inspect import inspect
from imageport.guest.plan import plan
from imageport.guest.prepare import prepare, verify
from imageport.model.guest import OsFamily, PrepareOptions
from imageport.model.target import PROFILES, Firmware, Target
from lab.guests import Flavour, LinuxMaster, Root, State, WindowsMaster, driver_library
from lab.guests.masters import master
from tests.golden.host_disk import assert_clean, host_guest, run

pytestmark = pytest.mark.slow


def raw(spec: LinuxMaster | WindowsMaster, folder: Path) -> Path:
    image = folder / "disk.raw"
    run("qemu-img", "convert", "-O", "raw", master(spec), image)
    return image


def quiet(what: str, done: int, total: int) -> None:
    assert what
    assert 0 <= done <= total


@pytest.mark.parametrize("firmware", list(Firmware))
@pytest.mark.parametrize("target", [Target.AHV, Target.AZURE])
def test_linux(tmp_path: Path, firmware: Firmware, target: Target) -> None:
    image = raw(LinuxMaster(firmware), tmp_path)
    profile, options = PROFILES[target], PrepareOptions()
    with host_guest(image, writable=True, scratch=tmp_path) as guest:
        assert guest.firmware is firmware
        before = inspect(guest)
        assert before.family is OsFamily.LINUX
        assert [product.name for product in before.products] == ["open-vm-tools"]
        done = prepare(guest, before, profile, options, quiet)
        assert all(check.passed for check in done.checks)
        assert {change.fixup for change in done.changes} >= {"guest-tools", "initramfs", "network"}
        after = inspect(guest)
        assert after.products == ()
        assert {change.fixup for change in plan(after, profile, options)} == {"first-boot"}
    assert_clean(image)
    again = tmp_path / "again"
    again.mkdir()
    with host_guest(image, writable=False, scratch=again) as guest:
        assert all(check.passed for check in verify(guest, before, profile, options))
    assert "imageport-" not in Path("/proc/mounts").read_text()


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        (LinuxMaster(root=Root.BTRFS, flavour=Flavour.STORAGE), "btrfs", "rootflags=subvol=@"),
        (LinuxMaster(root=Root.XFS, flavour=Flavour.STORAGE), "xfs", "ro"),
        (LinuxMaster(Firmware.UEFI, flavour=Flavour.NETPLAN), "ext4", "ro"),
    ],
    ids=["btrfs", "xfs", "netplan"],
)
def test_other_layouts(tmp_path: Path, spec: LinuxMaster, kind: str, words: str) -> None:
    image = raw(spec, tmp_path)
    profile, options = PROFILES[Target.GCP], PrepareOptions()
    with host_guest(image, writable=True, scratch=tmp_path) as guest:
        before = inspect(guest)
        (root,) = (volume for volume in before.volumes if volume.device == before.root)
        assert root.kind == kind
        assert root.free
        done = prepare(guest, before, profile, options, quiet)
        assert all(check.passed for check in done.checks)
        after = inspect(guest)
        assert {change.fixup for change in plan(after, profile, options)} == {"first-boot"}
        menu = (guest.root / "boot/grub/grub.cfg").read_text()
        assert f"root=UUID={root.uuid} {words}" in menu
    assert_clean(image)
    assert "imageport-" not in Path("/proc/mounts").read_text()


@pytest.mark.parametrize("firmware", list(Firmware))
@pytest.mark.parametrize("target", list(Target))
def test_windows(tmp_path: Path, firmware: Firmware, target: Target) -> None:
    image = raw(WindowsMaster(firmware), tmp_path)
    options = PrepareOptions(drivers=str(driver_library(tmp_path / "virtio")))
    profile = PROFILES[target]
    with host_guest(image, writable=True, scratch=tmp_path) as guest:
        assert guest.firmware is firmware
        before = inspect(guest)
        assert before.windows is not None
        assert before.windows.boot_loaders, "the boot store was found"
        done = prepare(guest, before, profile, options, quiet)
        assert all(check.passed for check in done.checks)
    assert_clean(image)
    again = tmp_path / "again"
    again.mkdir()
    with host_guest(image, writable=False, scratch=again) as guest:
        assert all(check.passed for check in verify(guest, before, profile, options))


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (State.BITLOCKER, BitLockerError),
        (State.DIRTY_VOLUME, DirtyNtfsError),
        (State.HIBERNATED, HibernatedError),
        (State.DATA_DISK, NoOs),
    ],
)
def test_refused_and_untouched(tmp_path: Path, state: State, error: type[GuestError]) -> None:
    image = raw(WindowsMaster(state=state), tmp_path)
    before = subprocess.run(["sha256sum", image], capture_output=True, check=True).stdout
    with pytest.raises(error), host_guest(image, writable=True, scratch=tmp_path) as guest:
        pytest.fail(f"{guest.root} was opened")
    assert subprocess.run(["sha256sum", image], capture_output=True, check=True).stdout == before
