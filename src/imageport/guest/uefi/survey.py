"""What a conversion has to know of the disk, gathered in one look."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from imageport.guest.command import attempt
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.mount import open_guest
from imageport.guest.paths import folded
from imageport.guest.uefi import drives
from imageport.guest.windows.registry import Registry, boot_store
from imageport.guest.windows.registry_value import Value
from imageport.host.partition_table import SECTOR, Mbr, device_reader, mbr
from imageport.model.guest import Inspection, OsFamily, Volume

LOADERS: Final = r"Windows\Boot\EFI"
"""Where every Windows keeps the boot loaders for UEFI, as bcdboot takes them from there."""
BOOT_MANAGER: Final = rf"{LOADERS}\bootmgfw.efi"
WINLOAD: Final = r"Windows\System32\winload.efi"
TREES: Final = {
    LOADERS: "EFI/Microsoft/Boot",
    r"Windows\Boot\Fonts": "EFI/Microsoft/Boot/Fonts",
    r"Windows\Boot\Resources": "EFI/Microsoft/Boot/Resources",
}
"""Folders of Windows and where on the EFI system partition their content goes."""
FALLBACK: Final = "EFI/Boot/bootx64.efi"
"""What a machine starts that never saw this disk (UEFI 2.10, section 3.5.1.1)."""

_BLKSSZGET: Final = 0x1268
_SMALLEST: Final = re.compile(rb"resize at (\d+) bytes")
_RECOVERY: Final = r"Recovery\WindowsRE\winre.wim"


@dataclass(frozen=True, slots=True)
class Survey:
    """The disk as it is; sizes in bytes but where sectors (of 512 bytes) are named.

    Where there is no Windows that a BIOS starts from an MBR, most of it is left empty.
    """

    sector_size: int
    sectors: int
    table: Mbr | None
    inspection: Inspection
    windows: int = 0
    """Number of the partition with Windows."""
    system: int = 0
    """Number of the active partition, with the boot manager and its store."""
    system_names: tuple[str, ...] = ()
    """What lies in the root of that partition, when it is not Windows' own."""
    recovery_on_system: bool = False
    """The recovery environment lies on that partition."""
    smallest: int | None = None
    """How far the Windows volume can be shrunk; None where ntfsresize cannot say."""
    boot_manager: bool = False
    winload: bool = False
    loader_bytes: int = 0
    """What the boot loaders' files take."""
    store: bytes | None = field(default=None, repr=False)
    """The boot store (BCD), a hive."""
    drives: tuple[Value, ...] = ()
    """What Windows remembers of drive letters and volumes."""

    @property
    def volumes(self) -> dict[int, Volume]:
        """The disk's volumes by their partitions' numbers."""
        return {volume.number: volume for volume in self.inspection.volumes}


def survey(disk: str) -> Survey:
    """Look at the block device `disk`. Raises what `open_guest` and `inspect` raise."""
    with open_guest(disk, writable=False) as guest:
        found = look(guest, sector_size(disk))
    # The tool would not look at a volume that is mounted.
    return replace(found, smallest=smallest(found.inspection.root)) if found.windows else found


def look(guest: Guest, sector_size: int) -> Survey:
    """What the open `guest` and its disk say, without how far Windows' volume can be shrunk."""
    read_at = device_reader(guest.disk)
    found = Survey(
        sector_size=sector_size,
        sectors=size_of(guest.disk) // SECTOR,
        table=mbr(read_at),
        inspection=inspect(guest),
    )
    if guest.family is not OsFamily.WINDOWS or found.table is None:
        return found
    active = next((volume for volume in guest.volumes if volume.active), None)
    beside = guest.boot if guest.boot and guest.boot != guest.root else None
    store = boot_store(guest)
    return replace(
        found,
        windows=next(v.number for v in guest.volumes if v.device == guest.device),
        system=active.number if active else 0,
        system_names=tuple(sorted(each.name for each in beside.iterdir())) if beside else (),
        recovery_on_system=beside is not None and folded(beside, _RECOVERY) is not None,
        boot_manager=guest.find(BOOT_MANAGER) is not None,
        winload=guest.find(WINLOAD) is not None,
        loader_bytes=sum(path.stat().st_size for path, _ in esp_files(guest)),
        drives=_drives(guest),
        store=store.read_bytes() if store else None,
    )


def _drives(guest: Guest) -> tuple[Value, ...]:
    with closing(Registry(guest, writable=False)) as registry:
        key = registry.key(drives.KEY)
        return key.values() if key else ()


def esp_files(guest: Guest) -> Iterator[tuple[Path, str]]:
    """The boot loaders' files in Windows, and where on the EFI system partition each goes; the boot
    manager goes to two places."""
    for tree, place in TREES.items():
        folder = guest.find(tree)
        if folder is None:
            continue
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            yield path, f"{place}/{path.relative_to(folder).as_posix()}"
    manager = guest.find(BOOT_MANAGER)
    if manager:
        yield manager, FALLBACK


def smallest(device: str) -> int | None:
    """How far the NTFS can be shrunk by moving files (ntfsresize(8), `--info`), in bytes."""
    done = attempt(["ntfsresize", "--info", "--force", "--no-progress-bar", device])
    said = _SMALLEST.search(done.stdout)
    return int(said[1]) if said and done.returncode == 0 else None


def sector_size(disk: str) -> int:
    """Bytes of the block device's logical sectors."""
    with open(disk, "rb") as device:
        (size,) = struct.unpack("<I", fcntl.ioctl(device, _BLKSSZGET, bytes(4)))
    return int(size)


def size_of(disk: str) -> int:
    """Bytes of the block device."""
    with open(disk, "rb") as device:
        return device.seek(0, os.SEEK_END)
