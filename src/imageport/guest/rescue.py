"""Opening a disk for diagnostics: every installation on it that can still be read, in whatever
state it is. What the other way to open a guest refuses is a problem to be told of here.
"""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from imageport.guest import lvm
from imageport.guest.btrfs import subvolume_options, system_subvolume
from imageport.guest.guest import Guest
from imageport.guest.linux.layout import has_system
from imageport.guest.mount import esp_of, firmware_of, linux_parts
from imageport.guest.mounting import READ_ONLY, mounted
from imageport.guest.paths import folded, inside
from imageport.guest.system_volume import place
from imageport.guest.windows import ntfs
from imageport.model.errors import ImageportError
from imageport.model.guest import OsFamily, Volume
from imageport.model.target import Firmware

_ROOT_KINDS: Final = ("ntfs", "ext4", "xfs", "btrfs")
_ENCRYPTED: Final = {"bitlocker": "BitLocker", "luks": "LUKS"}
_WINDOWS_TYPES: Final = ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "0x7", "0x07")
"""Of partitions that hold NTFS, also when their first sector no longer says so."""
_BLKROSET: Final = 0x125D
_BLKROGET: Final = 0x125E
"""Linux, include/uapi/linux/fs.h: whether a device is read-only."""
_RESCUE: Final = {"btrfs": ("rescue=all",)}
"""What a damaged file system is mounted with in the second place."""


@dataclass
class Rescued:
    """What could be opened; `problems` are sentences."""

    volumes: tuple[Volume, ...]
    guests: list[Guest] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def tolerated(self) -> Iterator[None]:
        """What is wrong with one part of a disk is a problem, and no end."""
        try:
            yield
        except ImageportError as error:
            self.problems.append(error.message)
        except OSError as error:
            self.problems.append(f"A part of the disk cannot be read: {error.strerror or error}.")


@contextmanager
def open_whatever(disk: str, volumes: Sequence[Volume]) -> Iterator[Rescued]:
    """Mount, for reading, every installation on the block device `disk` with those `volumes`."""
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imageport-rescue-")))
        for volume in volumes:
            if volume.kind in READ_ONLY:
                stack.enter_context(_protected(volume.device))
        rescued = Rescued(tuple(volumes))
        with rescued.tolerated():
            rescued.volumes += stack.enter_context(lvm.activated(volumes, writable=False))
        with rescued.tolerated():
            lvm.refuse_incomplete(volumes)
        for number, volume in enumerate(rescued.volumes):
            with rescued.tolerated():
                _look(stack, rescued, disk, volume, top / str(number))
        rescued.guests[:] = [
            _with_parts(stack, rescued, guest, top / f"beside-{number}")
            for number, guest in enumerate(rescued.guests)
        ]
        yield rescued


@contextmanager
def _protected(device: str) -> Iterator[None]:
    """Let the kernel refuse every write to `device`: mounting for reading may repeat a log."""
    descriptor = os.open(device, os.O_RDONLY)
    try:
        before = fcntl.ioctl(descriptor, _BLKROGET, bytes(4))
        fcntl.ioctl(descriptor, _BLKROSET, struct.pack("i", 1))
        try:
            yield
        finally:
            # A loop device would stay so, whatever it shows next.
            fcntl.ioctl(descriptor, _BLKROSET, before)
    finally:
        os.close(descriptor)


def _look(stack: ExitStack, rescued: Rescued, disk: str, volume: Volume, folder: Path) -> None:
    """Add the installation on `volume`, if there is one."""
    if volume.kind in _ENCRYPTED:
        name = _ENCRYPTED[volume.kind]
        rescued.problems.append(f"The {place(volume)} is encrypted by {name}: it was not read.")
    if volume.kind == "unknown" and (volume.partition_type or "") in _WINDOWS_TYPES:
        rescued.problems.append(f"The {place(volume)} begins as no file system: it was not read.")
    if volume.kind not in _ROOT_KINDS:
        return
    with ExitStack() as look:
        options = system_subvolume(volume, folder) if volume.kind == "btrfs" else ()
        if options is None:
            return
        look.enter_context(_mounted(volume, folder, options))
        family = _family(volume, folder)
        if family:
            _note_state(rescued, volume, folder)
            rescued.guests.append(_guest(rescued, disk, volume, folder, family, options))
            stack.push(look.pop_all())


@contextmanager
def _mounted(volume: Volume, folder: Path, options: tuple[str, ...]) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(mounted(volume, folder, writable=False, options=options))
        except ImageportError:
            if volume.kind not in _RESCUE:
                raise
            more = (*options, *_RESCUE[volume.kind])
            stack.enter_context(mounted(volume, folder, writable=False, options=more))
        yield


def _family(volume: Volume, root: Path) -> OsFamily | None:
    if volume.kind == "ntfs":
        # Its hives may be what is missing.
        return OsFamily.WINDOWS if folded(root, "Windows\\System32") else None
    return OsFamily.LINUX if has_system(root) else None


def _note_state(rescued: Rescued, volume: Volume, root: Path) -> None:
    if volume.kind != "ntfs":
        return
    if ntfs.is_dirty(volume.device):
        rescued.problems.append(f"The {place(volume)} is marked for a check.")
    if ntfs.hibernated(root):
        rescued.problems.append(f"The Windows on {place(volume)} is hibernated: logs may lag.")


def _guest(  # noqa: PLR0913, PLR0917  # what one guest is made of
    rescued: Rescued,
    disk: str,
    volume: Volume,
    root: Path,
    family: OsFamily,
    options: tuple[str, ...],
) -> Guest:
    return Guest(
        family=family,
        disk=disk,
        device=volume.device,
        root=root,
        firmware=Firmware.BIOS,
        volumes=rescued.volumes,
        root_options=options,
    )


def _with_parts(stack: ExitStack, rescued: Rescued, guest: Guest, top: Path) -> Guest:
    """Mount what belongs to an installation; the folders below `top` are for what has no other."""
    esp = _beside(stack, rescued, esp_of(guest.volumes), top / "esp")
    firmware = firmware_of(esp, guest.volumes)
    boot = None
    if guest.family is OsFamily.LINUX:
        with rescued.tolerated():
            _mount_linux_parts(stack, rescued, guest)
    elif firmware is Firmware.BIOS:
        active = next((v for v in guest.volumes if v.active and v.kind in ("ntfs", "vfat")), None)
        own = active is None or active.device == guest.device
        boot = guest.root if own else _beside(stack, rescued, active, top / "boot")
    return replace(guest, esp=esp, firmware=firmware, boot=boot)


def _beside(stack: ExitStack, rescued: Rescued, volume: Volume | None, folder: Path) -> Path | None:
    if volume is not None:
        with rescued.tolerated():
            stack.enter_context(_mounted(volume, folder, ()))
            return folder
    return None


def _mount_linux_parts(stack: ExitStack, rescued: Rescued, guest: Guest) -> None:
    for part, entry in linux_parts(guest):
        point = inside(guest.root, entry.mount_point)
        if part.kind != "vfat" and point.is_dir():
            with rescued.tolerated():
                stack.enter_context(_mounted(part, point, subvolume_options(entry.options)))
