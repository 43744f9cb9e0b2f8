"""Opening a guest: which volume holds the operating system, mounting it and what belongs to it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from imageport.guest.command import attempt
from imageport.guest.errors import (
    BitLockerError,
    DirtyNtfsError,
    HibernatedError,
    LuksError,
    LvmError,
    MountError,
    NoOperatingSystemError,
    SeveralOperatingSystemsError,
)
from imageport.guest.guest import Guest
from imageport.guest.linux import fstab
from imageport.guest.paths import folded, inside
from imageport.guest.volumes import BIOS_BOOT_TYPES, ESP_TYPES, scan
from imageport.guest.windows import ntfs
from imageport.model.errors import ImageportError
from imageport.model.guest import OsFamily, Volume
from imageport.model.target import Firmware

_ROOT_KINDS: Final = ("ntfs", "ext4", "xfs", "btrfs")
_SHUT: Final[dict[str, type[ImageportError]]] = {
    "bitlocker": BitLockerError,
    "luks": LuksError,
    "lvm": LvmError,
}
_READ_ONLY: Final = {
    "ext4": "ro,noload",
    "xfs": "ro,norecovery,nouuid",
    "btrfs": "ro",
    "ntfs": "ro",
    "vfat": "ro",
}
_WRITABLE: Final = {"xfs": "rw,nouuid"}
_UNMOUNT_TRIES: Final = 3


@contextmanager
def open_guest(disk: str, *, writable: bool) -> Iterator[Guest]:
    """Find the operating system on the block device `disk`, mount it, unmount it at the end.

    Refuses, before anything is written, what cannot be prepared: the errors of `guest.errors`.
    """
    with open_volumes(disk, scan(disk), writable=writable) as guest:
        yield guest


@contextmanager
def open_volumes(disk: str, volumes: Sequence[Volume], *, writable: bool) -> Iterator[Guest]:
    """`open_guest` for volumes that are already known."""
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imageport-guest-")))
        volume, family = _system_volume(volumes, top)
        root = top / "root"
        stack.enter_context(mounted(volume, root, writable=writable))
        guest = Guest(
            family=family,
            disk=disk,
            device=volume.device,
            root=root,
            firmware=Firmware.BIOS,
            writable=writable,
            volumes=tuple(volumes),
        )
        extend = _with_windows_parts if family is OsFamily.WINDOWS else _with_linux_parts
        yield extend(stack, guest, top)


def _with_windows_parts(stack: ExitStack, guest: Guest, top: Path) -> Guest:
    """Mount the EFI system partition, or the active partition that holds bootmgr."""
    esp = _esp(guest.volumes)
    boot = next((v for v in guest.volumes if v.active and v.kind in ("ntfs", "vfat")), None)
    places: dict[str, Path] = {}
    for name, each in (("esp", esp), ("boot", None if esp else boot)):
        if each and each.device != guest.device:
            places[name] = top / name
            stack.enter_context(mounted(each, places[name], writable=guest.writable))
    firmware = _firmware(places.get("esp"), guest.volumes)
    beside = guest.root if firmware is Firmware.BIOS else None
    return replace(guest, firmware=firmware, esp=places.get("esp"), boot=places.get("boot", beside))


def _with_linux_parts(stack: ExitStack, guest: Guest, top: Path) -> Guest:
    """Mount /boot and the EFI system partition where the guest's fstab has them."""
    table = inside(guest.root, "/etc/fstab")
    entries = fstab.parse(table.read_text(errors="replace")) if table.exists() else ()
    source = fstab.root_source(entries)
    places: dict[str, Path] = {}
    for name, point in (("boot", "/boot"), ("esp", "/boot/efi"), ("esp", "/efi")):
        entry = next((e for e in entries if e.mount_point == point), None)
        part = fstab.volume_of(entry.source, guest.volumes, source) if entry else None
        if part and part.kind in _READ_ONLY:
            places[name] = inside(guest.root, point)
            stack.enter_context(mounted(part, places[name], writable=guest.writable))
    esp = _esp(guest.volumes)
    if esp and "esp" not in places:
        places["esp"] = top / "esp"
        stack.enter_context(mounted(esp, places["esp"], writable=guest.writable))
    firmware = _firmware(places.get("esp"), guest.volumes)
    return replace(guest, firmware=firmware, esp=places.get("esp"), boot=places.get("boot"))


def _esp(volumes: Sequence[Volume]) -> Volume | None:
    found = (v for v in volumes if (v.partition_type or "").lower() in ESP_TYPES)
    return next((v for v in found if v.kind == "vfat"), None)


def _firmware(esp: Path | None, volumes: Sequence[Volume]) -> Firmware:
    """UEFI when there is a loader for it. A disk that boots either way counts as BIOS when it has
    a BIOS boot partition and no fallback loader: only a machine's NVRAM knew of the other."""
    if esp is None or folded(esp, "EFI") is None:
        return Firmware.BIOS
    hybrid = any((v.partition_type or "").lower() in BIOS_BOOT_TYPES for v in volumes)
    fallback = folded(esp, "EFI\\BOOT\\BOOTX64.EFI") is not None
    return Firmware.BIOS if hybrid and not fallback else Firmware.UEFI


def _system_volume(volumes: Sequence[Volume], top: Path) -> tuple[Volume, OsFamily]:
    """The one volume that holds an operating system; raises what is wrong when none does."""
    found: list[tuple[Volume, OsFamily]] = []
    for volume in volumes:
        family = _family(volume, top) if volume.kind in _ROOT_KINDS else None
        if family:
            found.append((volume, family))
    if len(found) > 1:
        seen = ", ".join(f"{family} on partition {v.number}" for v, family in found)
        raise SeveralOperatingSystemsError(seen=seen)
    if not found:
        _refuse(volumes)
    return found[0]


def _refuse(volumes: Sequence[Volume]) -> None:
    for volume in volumes:
        if volume.kind in _SHUT:
            raise _SHUT[volume.kind](device=volume.device)
    seen = ", ".join(f"partition {v.number}: {v.kind}" for v in volumes)
    raise NoOperatingSystemError(seen=seen or "no partitions and no file system")


def _family(volume: Volume, top: Path) -> OsFamily | None:
    """What is installed on the volume, by a look at it, mounted for reading."""
    with mounted(volume, top / f"look-{volume.number}", writable=False) as place:
        if volume.kind == "ntfs":
            if folded(place, "Windows\\System32\\config\\SYSTEM") is None:
                return None
            _check_shut_down(volume, place)
            return OsFamily.WINDOWS
        has_system = inside(place, "/etc/os-release").exists() or (
            inside(place, "/etc/fstab").exists() and inside(place, "/lib/modules").is_dir()
        )
        return OsFamily.LINUX if has_system else None


def _check_shut_down(volume: Volume, place: Path) -> None:
    """Refuse a Windows whose memory image or unfinished writes an edit would contradict."""
    memory = folded(place, "hiberfil.sys")
    if memory is not None:
        with memory.open("rb") as file:
            if file.read(4).upper() in (b"HIBR", b"RSTR"):
                raise HibernatedError(device=volume.device)
    if ntfs.is_dirty(volume.device):
        raise DirtyNtfsError(device=volume.device)


@contextmanager
def mounted(volume: Volume, place: Path, *, writable: bool) -> Iterator[Path]:
    """Mount `volume` on the folder `place` (made where absent); unmount it whatever happens."""
    place.mkdir(parents=True, exist_ok=True)
    _mount(volume, place, writable=writable)
    try:
        yield place
    finally:
        unmount(place)


def _mount(volume: Volume, place: Path, *, writable: bool) -> None:
    options = _WRITABLE.get(volume.kind, "rw") if writable else _READ_ONLY[volume.kind]
    kind = "ntfs3" if volume.kind == "ntfs" else volume.kind
    done = attempt(["mount", "-t", kind, "-o", options, volume.device, place])
    if done.returncode and volume.kind == "ntfs":
        # The kernel lacks ntfs3 or would not have the volume; the FUSE driver falls back to
        # read-only by itself when Windows is hibernated, which norecover,nofallback forbids.
        strict = "rw,norecover" if writable else "ro,norecover"
        done = attempt(["ntfs-3g", "-o", strict, volume.device, place])
    if done.returncode:
        detail = " ".join(done.stdout.decode(errors="replace").split())
        raise MountError(kind=volume.kind, device=volume.device, detail=detail)


def unmount(place: Path) -> None:
    """Unmount `place`; what keeps it busy loses it (a lazy unmount), so that nothing is left."""
    for _ in range(_UNMOUNT_TRIES):
        if attempt(["umount", place]).returncode == 0:
            return
    attempt(["umount", "-l", place])
