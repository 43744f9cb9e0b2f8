"""A preparation that follows an equal one leaves the disk as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.guest.inspect import inspect
from imageport.guest.mounting import mounted
from imageport.guest.prepare import prepare
from imageport.model.guest import PrepareOptions, Volume
from imageport.model.target import PROFILES, Firmware, Target
from lab.guests import Flavour, LinuxMaster, Root, WindowsMaster, driver_library
from lab.guests.masters import master
from tests.golden.host_disk import host_guest, loop_volumes, run

pytestmark = pytest.mark.slow

LOGS = ("/var/log/", "/var/cache/")
"""Where a guest's own tools note when they were called."""


def disk(image: Path, folder: Path) -> dict[str, str]:
    """Everything in the image's volumes: names, owners, modes, times and contents."""
    found: dict[str, str] = {}
    with loop_volumes(image) as volumes:
        for volume in volumes:
            if volume.kind == "vfat":
                found |= _fat(image, volume, folder / f"fat-{len(found)}")
            elif volume.kind in ("ntfs", "ext4", "btrfs", "xfs"):
                place = folder / f"volume-{len(found)}"
                place.mkdir()
                with mounted(volume, place, writable=False):
                    found |= dict(_files(place, f"{volume.number}:"))
    return found


def _fat(image: Path, volume: Volume, place: Path) -> dict[str, str]:
    """Contents alone: the tests themselves copy them out and in again."""
    place.mkdir()
    run("mcopy", "-s", "-n", "-i", f"{image}@@{volume.offset}", "::/*", place)
    files = (path for path in place.rglob("*") if path.is_file())
    return {f"{volume.number}:{p.relative_to(place)}": _content(p) for p in files}


def _files(root: Path, label: str) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        name = f"/{path.relative_to(root)}"
        status = path.lstat()
        about = f"{status.st_mode:o} {status.st_uid}:{status.st_gid}"
        if path.is_symlink():
            yield f"{label}{name}", f"{about} {path.readlink()}"
        elif path.is_file() and not name.startswith(LOGS):
            yield f"{label}{name}", f"{about} {status.st_mtime_ns} {_content(path)}"
        else:
            yield f"{label}{name}", about


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


WINDOWS = (WindowsMaster(Firmware.BIOS), WindowsMaster(Firmware.UEFI))
LINUX = (
    LinuxMaster(Firmware.BIOS),
    LinuxMaster(Firmware.UEFI),
    LinuxMaster(root=Root.BTRFS, flavour=Flavour.STORAGE),
    LinuxMaster(root=Root.XFS, flavour=Flavour.STORAGE),
    LinuxMaster(Firmware.UEFI, flavour=Flavour.NETPLAN),
)
CASES: tuple[tuple[WindowsMaster | LinuxMaster, Target], ...] = (
    *((spec, target) for spec in WINDOWS for target in Target),
    *((spec, target) for spec in LINUX for target in (Target.AZURE, Target.AHV)),
)


def name(value: object) -> str:
    if isinstance(value, LinuxMaster):
        return f"{value.flavour}-{value.root}-{value.firmware}"
    return f"windows-{value.firmware}" if isinstance(value, WindowsMaster) else str(value)


@pytest.mark.parametrize(("spec", "target"), CASES, ids=name)
def test_same_disk(tmp_path: Path, spec: WindowsMaster | LinuxMaster, target: Target) -> None:
    image = tmp_path / "disk.raw"
    run("qemu-img", "convert", "-O", "raw", master(spec), image)
    options = PrepareOptions(drivers=str(driver_library(tmp_path / "drivers")))
    seen = []
    for count in range(3):
        folder = tmp_path / str(count)
        folder.mkdir()
        seen.append(disk(image, folder))
        if count < 2:
            with host_guest(image, writable=True, scratch=folder) as guest:
                prepare(guest, inspect(guest), PROFILES[target], options, lambda *_: None)
    untouched, once, twice = seen
    assert untouched != once
    assert {n for n in {*once, *twice} if once.get(n) != twice.get(n)} == set()
