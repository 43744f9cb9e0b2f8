"""Opening a guest: which volume holds the operating system, mounting it and what belongs to it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from imageport.guest import lvm
from imageport.guest.btrfs import subvolume_options
from imageport.guest.errors import DirtyNtfsError
from imageport.guest.guest import Guest
from imageport.guest.linux import fstab
from imageport.guest.linux.layout import system_parts
from imageport.guest.mounting import READ_ONLY, check_journal, mounted
from imageport.guest.paths import folded, inside
from imageport.guest.system_volume import System, find_system
from imageport.guest.volumes import BIOS_BOOT_TYPES, ESP_TYPES, scan
from imageport.guest.windows import ntfs
from imageport.model.guest import OsFamily, Volume
from imageport.model.target import Firmware

_NAMED = {"/boot": "boot", "/boot/efi": "esp", "/efi": "esp"}
"""Mount points that a guest knows by a name of their own."""


@contextmanager
def open_guest(disk: str, *, writable: bool) -> Iterator[Guest]:
    """Find the operating system on the block device `disk`, mount it, unmount it at the end.

    Refuses, before anything is written, what cannot be prepared: the errors of `guest.errors`.
    """
    with open_volumes(disk, scan(disk), writable=writable) as guest:
        yield guest


@contextmanager
def open_volumes(disk: str, volumes: Sequence[Volume], *, writable: bool) -> Iterator[Guest]:
    """`open_guest` for partitions that are already known; logical volumes on them are opened."""
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imageport-guest-")))
        logical = stack.enter_context(lvm.activated(volumes, writable=writable))
        every = (*volumes, *logical)
        system = find_system(every, top)
        root = top / "root"
        stack.enter_context(mounted(system.volume, root, writable=writable, options=system.options))
        guest = _guest(disk, system, every, root, writable=writable)
        extend = _with_windows_parts if system.family is OsFamily.WINDOWS else _with_linux_parts
        yield extend(stack, guest, top)


def _guest(
    disk: str, system: System, volumes: tuple[Volume, ...], root: Path, *, writable: bool
) -> Guest:
    return Guest(
        family=system.family,
        disk=disk,
        device=system.volume.device,
        root=root,
        firmware=Firmware.BIOS,
        writable=writable,
        volumes=volumes,
        root_options=system.options,
    )


def _with_windows_parts(stack: ExitStack, guest: Guest, top: Path) -> Guest:
    """Mount the EFI system partition, or the active partition that holds bootmgr."""
    esp = esp_of(guest.volumes)
    boot = next((v for v in guest.volumes if v.active and v.kind in ("ntfs", "vfat")), None)
    places: dict[str, Path] = {}
    for name, each in (("esp", esp), ("boot", None if esp else boot)):
        if each and each.device != guest.device:
            if each.kind == "ntfs" and ntfs.is_dirty(each.device):
                raise DirtyNtfsError(device=each.device)
            places[name] = top / name
            stack.enter_context(mounted(each, places[name], writable=guest.writable))
    firmware = firmware_of(places.get("esp"), guest.volumes)
    beside = guest.root if firmware is Firmware.BIOS else None
    return replace(guest, firmware=firmware, esp=places.get("esp"), boot=places.get("boot", beside))


def _with_linux_parts(stack: ExitStack, guest: Guest, top: Path) -> Guest:
    """Mount /boot, the EFI system partition and other parts where the guest's fstab has them."""
    places: dict[str, Path] = {}
    parts: dict[str, Path] = {}
    for part, entry in linux_parts(guest):
        name = _NAMED.get(entry.mount_point)
        point = inside(guest.root, entry.mount_point)
        if not (name or point.is_dir()):
            continue
        place = point if point.is_dir() else top / str(name)
        check_journal(part)
        options = subvolume_options(entry.options)
        stack.enter_context(mounted(part, place, writable=guest.writable, options=options))
        parts.setdefault(part.device, place)
        if name:
            places[name] = place
    esp = esp_of(guest.volumes)
    if esp and "esp" not in places:
        places["esp"] = top / "esp"
        stack.enter_context(mounted(esp, places["esp"], writable=guest.writable))
    return replace(
        guest,
        firmware=firmware_of(places.get("esp"), guest.volumes),
        esp=places.get("esp"),
        boot=places.get("boot"),
        parts=tuple(parts.items()),
    )


def linux_parts(guest: Guest) -> Iterator[tuple[Volume, fstab.Entry]]:
    """What is to be mounted below a Linux' root, in order."""
    table = inside(guest.root, "/etc/fstab")
    entries = fstab.parse(table.read_text(errors="replace")) if table.exists() else ()
    source = fstab.root_source(entries)
    for entry in system_parts(entries):
        part = fstab.volume_of(entry.source, guest.volumes, source)
        if part and _to_mount(part, entry, guest):
            yield part, entry


def _to_mount(part: Volume, entry: fstab.Entry, guest: Guest) -> bool:
    """Another volume, or another subvolume of the root's."""
    if part.kind not in READ_ONLY:
        return False
    return part.device != guest.device or bool(subvolume_options(entry.options))


def esp_of(volumes: Sequence[Volume]) -> Volume | None:
    """The EFI system partition."""
    found = (v for v in volumes if (v.partition_type or "").lower() in ESP_TYPES)
    return next((v for v in found if v.kind == "vfat"), None)


def firmware_of(esp: Path | None, volumes: Sequence[Volume]) -> Firmware:
    """UEFI when there is a loader for it. A disk that boots either way counts as BIOS when it has
    a BIOS boot partition and no fallback loader: only a machine's NVRAM knew of the other."""
    if esp is None or folded(esp, "EFI") is None:
        return Firmware.BIOS
    hybrid = any((v.partition_type or "").lower() in BIOS_BOOT_TYPES for v in volumes)
    fallback = folded(esp, "EFI\\BOOT\\BOOTX64.EFI") is not None
    return Firmware.BIOS if hybrid and not fallback else Firmware.UEFI
