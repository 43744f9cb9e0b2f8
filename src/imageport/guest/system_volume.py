"""Which of a disk's volumes holds the operating system, and in which part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest import lvm
from imageport.guest.btrfs import system_subvolume
from imageport.guest.errors import (
    BitLockerError,
    DirtyNtfsError,
    HibernatedError,
    LuksError,
    NoOperatingSystemError,
    SeveralOperatingSystemsError,
)
from imageport.guest.linux.layout import has_system
from imageport.guest.mounting import check_journal, mounted
from imageport.guest.paths import folded
from imageport.guest.windows import ntfs
from imageport.model.errors import ImageportError
from imageport.model.guest import OsFamily, Volume

_ROOT_KINDS: Final = ("ntfs", "ext4", "xfs", "btrfs")
_SHUT: Final[dict[str, type[ImageportError]]] = {"bitlocker": BitLockerError, "luks": LuksError}


@dataclass(frozen=True, slots=True)
class System:
    """An installation: its volume, and the options that mount its root from there."""

    volume: Volume
    family: OsFamily
    options: tuple[str, ...] = ()


def find_system(volumes: Sequence[Volume], top: Path) -> System:
    """The one installation on `volumes`; raises what is wrong when there is none, or more.

    `top` is a folder to mount them below, for a look.
    """
    looks = (_look(volume, top) for volume in volumes if volume.kind in _ROOT_KINDS)
    found = [system for system in looks if system]
    if len(found) > 1:
        seen = ", ".join(f"{each.family} on {place(each.volume)}" for each in found)
        raise SeveralOperatingSystemsError(seen=seen)
    if not found:
        _refuse(volumes)
    return found[0]


def place(volume: Volume) -> str:
    """How a person would say where a volume is."""
    return f"volume {volume.name}" if volume.name else f"partition {volume.number}"


def _refuse(volumes: Sequence[Volume]) -> None:
    for volume in volumes:
        if volume.kind in _SHUT:
            raise _SHUT[volume.kind](device=volume.device)
        # A system may be there, in the log alone.
        check_journal(volume)
    lvm.refuse_incomplete(volumes)
    seen = ", ".join(f"{place(volume)}: {volume.kind}" for volume in volumes)
    raise NoOperatingSystemError(seen=seen or "no partitions and no file system")


def _look(volume: Volume, top: Path) -> System | None:
    """What is installed on the volume, by a look at it, mounted for reading."""
    folder = top / f"look-{volume.number}"
    if volume.kind == "btrfs":
        options = system_subvolume(volume, folder)
        return None if options is None else System(volume, OsFamily.LINUX, options)
    with mounted(volume, folder, writable=False) as root:
        if volume.kind == "ntfs":
            if folded(root, "Windows\\System32\\config\\SYSTEM") is None:
                return None
            _check_shut_down(volume, root)
            return System(volume, OsFamily.WINDOWS)
        if not has_system(root):
            return None
    check_journal(volume)
    return System(volume, OsFamily.LINUX)


def _check_shut_down(volume: Volume, root: Path) -> None:
    """Refuse a Windows whose memory image or unfinished writes an edit would contradict."""
    if ntfs.hibernated(root):
        raise HibernatedError(device=volume.device)
    if ntfs.is_dirty(volume.device):
        raise DirtyNtfsError(device=volume.device)
