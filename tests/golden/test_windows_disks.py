"""Bad states of volumes and disks, on real images of the phony Windows (loop devices, ntfs-3g)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imageport.guest.errors import (
    BitLockerError,
    DirtyNtfsError,
    GuestError,
    HibernatedError,
    NoOperatingSystemError,
)
from imageport.guest.inspect import inspect
from imageport.guest.mounting import mounted
from imageport.guest.windows import ntfs
from imageport.model.target import Firmware
from lab.guests import State, WindowsMaster
from lab.guests.masters import master
from tests.golden.host_disk import host_guest, run


def raw(state: State, firmware: Firmware, folder: Path) -> Path:
    image = folder / "disk.raw"
    made = master(WindowsMaster(firmware, state=state, static_address=False))
    run("qemu-img", "convert", "-O", "raw", made, image)
    return image


@pytest.mark.parametrize(
    ("state", "firmware", "codes"),
    [
        (State.CLEAN, Firmware.UEFI, []),
        (State.CLEAN, Firmware.BIOS, []),
        (State.DYNAMIC_DISK, Firmware.UEFI, ["guest.dynamic-disk"]),
        (State.DYNAMIC_DISK, Firmware.BIOS, ["guest.dynamic-disk"]),
        (State.BITLOCKER_DATA, Firmware.UEFI, ["guest.bitlocker-data"]),
        (State.BITLOCKER_DATA, Firmware.BIOS, ["guest.bitlocker-data"]),
        (State.DIRTY_DATA, Firmware.UEFI, ["guest.dirty-volume"]),
        (State.LOW_SPACE, Firmware.UEFI, ["guest.low-space"]),
        (State.COMPACT_OS, Firmware.UEFI, ["guest.compact-os"]),
    ],
)
def test_a_disk_has_its_finding_and_no_other(
    tmp_path: Path, state: State, firmware: Firmware, codes: list[str]
) -> None:
    image = raw(state, firmware, tmp_path)
    with host_guest(image, writable=False, scratch=tmp_path) as guest:
        inspection = inspect(guest)
    assert inspection.firmware is firmware
    assert [found.code for found in inspection.findings] == codes


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (State.HIBERNATED, HibernatedError),
        (State.DIRTY_VOLUME, DirtyNtfsError),
        (State.BITLOCKER, BitLockerError),
        (State.DATA_DISK, NoOperatingSystemError),
    ],
)
def test_a_disk_that_is_refused(tmp_path: Path, state: State, error: type[GuestError]) -> None:
    image = raw(state, Firmware.UEFI, tmp_path)
    with (
        pytest.raises(error) as refused,
        host_guest(image, writable=False, scratch=tmp_path) as guest,
    ):
        pytest.fail(f"{guest.root} was opened")
    assert refused.value.advice


def test_free_space_of_every_volume(tmp_path: Path) -> None:
    """By the bitmap of a volume that is not mounted, what its driver says when it is."""
    image = raw(State.DIRTY_DATA, Firmware.BIOS, tmp_path)
    with host_guest(image, writable=False, scratch=tmp_path) as guest:
        inspection = inspect(guest)
        reserved, system, data = inspection.volumes
        for number, volume in enumerate((reserved, data)):
            with mounted(volume, tmp_path / f"volume-{number}", writable=False) as place:
                state = os.statvfs(place)
                assert volume.free == state.f_bfree * state.f_frsize
        assert ntfs.free_bytes(system.device) == system.free
    assert 0 < (data.free or 0) < data.size - 5_000_000
    assert (reserved.dirty, system.dirty, data.dirty) == (False, False, True)
