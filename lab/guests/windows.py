"""Build a phony Windows: a disk that looks like Windows inside and boots as Windows does."""

from __future__ import annotations

import struct
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Final

from imageport.engine.image.grub import core_image, embed
from imageport.model.target import Firmware
from lab.guests.boot_files import HIVE_SOURCES, boot_files
from lab.guests.cache import GRUB_SOURCE, SOURCES, cached, digest, scratch
from lab.guests.disk_image import (
    Extent,
    Partition,
    blank_disk,
    lay_into,
    made_ntfs,
    make_fat,
    write_gpt,
    write_mbr,
    write_qcow2,
)
from lab.guests.registry_data import Values
from lab.guests.uki import build_uki
from lab.guests.windows_bcd import Places, write_bcd
from lab.guests.windows_devices import on_gpt, on_mbr
from lab.guests.windows_files import fill_system_volume, mark_volume_dirty
from lab.guests.windows_spec import MbrLayout, State, WindowsMaster

_NTFS_GPT: Final = "0700"
_GPT: Final = (
    Partition("EFI system partition", "EF00", 100),
    Partition("Microsoft reserved partition", "0C01", 16),
    Partition("Basic data partition", _NTFS_GPT),
)
_MBR: Final = (Partition("System Reserved", "07", 100, active=True), Partition("Windows", "07"))
_LDM_GPT: Final = (*_GPT[:2], Partition("LDM metadata partition", "4201", 1),
                   Partition("LDM data partition", "4200"))  # fmt: skip
_LDM_MBR: Final = (_MBR[0], Partition("Windows", "42"))
"""Of a dynamic disk, managed by the Logical Disk Manager; its database is not made."""
_TWO_VOLUMES: Final = (State.BITLOCKER_DATA, State.DIRTY_DATA)
_DATA_MIB: Final = 64
_RECOVERY_MIB: Final = 64
_C: Final = "\\DosDevices\\C:"
_SMALL_MIB: Final = 768
"""Too small to leave a GiB free."""
# One processor: on several, emulated ones sometimes trip over the kernel patching itself.
_KERNEL_OPTIONS: Final = (
    "maxcpus=1 console=ttyS0 quiet loglevel=1 vt.global_cursor_default=0 panic=10"
)
_GRUB_MODULES: Final = ("part_msdos", "ntfs", "linux", "boot")
_SOURCES: Final = (
    "blank_hive boot_files debs disk_image registry_data uki windows windows_domain "
    "windows_bcd windows_devices windows_drivers windows_files windows_registry windows_software "
    "windows_spec windows_states"
)
"""The modules beside this one that an image depends on."""
_NTFS_VOLUME: Final = "windows.ntfs"


def windows_master(master: WindowsMaster) -> Path:
    """The cached qcow2 of `master`."""
    here = Path(__file__)
    sources = [here.with_name(f"{name}.py") for name in _SOURCES.split()]
    sources += here.with_name("phony_nt").glob("*.py")
    sources += (GRUB_SOURCE, *(SOURCES / name for name in HIVE_SOURCES))
    key = digest(asdict(master), sources)
    return cached(
        f"images/windows-{master.firmware}-{key}.qcow2", lambda made: _build(made, master)
    )


def _build(made: Path, master: WindowsMaster) -> None:
    with scratch() as work:
        disk = work / "disk.raw"
        blank_disk(disk, _SMALL_MIB if master.state is State.LOW_SPACE else master.size_mib)
        # Two different masters in one machine must not share an identity.
        identity = uuid.uuid5(uuid.NAMESPACE_URL, repr(master))
        if master.state is State.DATA_DISK:
            _build_data_disk(disk, work, identity)
        elif master.firmware is Firmware.UEFI:
            _build_uefi(disk, work, master, identity)
        else:
            _build_bios(disk, work, master, identity)
        write_qcow2(disk, made)


def _build_uefi(disk: Path, work: Path, master: WindowsMaster, identity: uuid.UUID) -> None:
    placed = write_gpt(disk, identity, _partitions(master))
    esp, system = placed[0], placed[_system_index(master)]
    names = [on_gpt(identity, uuid.uuid5(identity, each.name)) for each in _partitions(master)]
    windows = names[_system_index(master)]
    loader, bcd = _uefi_loader(work, f"gpt:{identity}"), work / "BCD"
    write_bcd(bcd, master, Places(names[0], windows))
    files = {
        "EFI/Boot/bootx64.efi": loader,
        "EFI/Microsoft/Boot/bootmgfw.efi": loader,
        "EFI/Microsoft/Boot/BCD": bcd,
    }
    make_fat(disk, esp, "SYSTEM", files)
    _put_system_volume(disk, work, system, master, {_C: windows.drive})
    _put_data_volume(disk, work, placed[-1], master)


def _uefi_loader(work: Path, disk: str) -> Path:
    """A boot manager for UEFI; `disk` says which disk it starts, or `loader`: the one that it was
    started from itself, as the real one does."""
    loader, boot = work / "bootmgfw.efi", boot_files()
    command_line = f"{_KERNEL_OPTIONS} phony.disk={disk}"
    build_uki(loader, boot / "kernel", boot / "initramfs", command_line)
    return loader


def _build_bios(disk: Path, work: Path, master: WindowsMaster, identity: uuid.UUID) -> None:
    signature = identity.fields[0]
    placed = write_mbr(disk, signature, _partitions(master))
    names = [on_mbr(signature, extent) for extent in placed]
    index = _system_index(master)
    windows = names[index]
    recovery = names[-1] if master.layout is MbrLayout.RECOVERY else None
    places = Places(names[0], windows, recovery)
    if master.layout is not MbrLayout.SINGLE:
        volume = work / "reserved.ntfs"
        with made_ntfs(volume, placed[0], "System Reserved") as root:
            _put_boot_manager(root, master, places)
        lay_into(disk, placed[0], volume)
    script = (
        f"linux /bootmgr {_KERNEL_OPTIONS} phony.disk=mbr:{signature:08x}\n"
        "initrd /Boot/boot.sdi\n"
        "boot\n"
    )
    core = core_image("(,msdos1)/", _GRUB_MODULES, script)
    embed(disk, core, sector=1, room=placed[0].start - 1)
    loader = _uefi_loader(work, "loader") if master.uefi_loaders else None
    drives = {
        _C: windows.drive,
        f"\\??\\Volume{{{uuid.uuid5(identity, 'system')}}}": names[0].drive,
    }
    _put_system_volume(disk, work, placed[index], master, drives, loader, places)
    if recovery:
        _put_recovery_volume(disk, work, placed[-1])
    _put_data_volume(disk, work, placed[-1], master)


def _put_boot_manager(root: Path, master: WindowsMaster, places: Places) -> None:
    boot = boot_files()
    (root / "Boot").mkdir()
    write_bcd(root / "Boot/BCD", master, places)
    (root / "bootmgr").write_bytes((boot / "kernel").read_bytes())
    (root / "Boot/boot.sdi").write_bytes((boot / "initramfs").read_bytes())


def _put_recovery_volume(disk: Path, work: Path, extent: Extent) -> None:
    volume = work / "recovery.ntfs"
    with made_ntfs(volume, extent, "Recovery") as root:
        (root / "Recovery/WindowsRE").mkdir(parents=True)
        (root / "Recovery/WindowsRE/Winre.wim").write_bytes(b"MSWIM\0\0\0".ljust(1 << 20, b"w"))
    lay_into(disk, extent, volume)


def _partitions(master: WindowsMaster) -> tuple[Partition, ...]:
    uefi = master.firmware is Firmware.UEFI
    match master.state:
        case State.DYNAMIC_DISK:
            return _LDM_GPT if uefi else _LDM_MBR
        case state if state in _TWO_VOLUMES:
            first, kind = (_GPT[:2], _NTFS_GPT) if uefi else (_MBR[:1], "07")
            size = master.size_mib - _DATA_MIB - 256
            return (*first, Partition("Windows", kind, size), Partition("Data", kind, _DATA_MIB))
        case _:
            return _GPT if uefi else _mbr(master)


def _mbr(master: WindowsMaster) -> tuple[Partition, ...]:
    match master.layout:
        case MbrLayout.RESERVED:
            return _MBR
        case MbrLayout.SINGLE:
            return (Partition("Windows", "07", active=True),)
        case MbrLayout.RECOVERY:
            size = master.size_mib - 50 - _RECOVERY_MIB - 2
            return (
                Partition("System Reserved", "07", 50, active=True),
                Partition("Windows", "07", size),
                Partition("Recovery", "27", _RECOVERY_MIB),
            )


def _system_index(master: WindowsMaster) -> int:
    """Windows is last but where a volume for data or recovery is."""
    return -2 if master.state in _TWO_VOLUMES or master.layout is MbrLayout.RECOVERY else -1


def _put_system_volume(  # noqa: PLR0913, PLR0917  # what of it depends on the disk
    disk: Path,
    work: Path,
    extent: Extent,
    master: WindowsMaster,
    drives: Values,
    uefi_loader: Path | None = None,
    places: Places | None = None,
) -> None:
    """`places` is given to a Windows that has the boot manager for BIOS beside it."""
    if master.state is State.BITLOCKER:
        _put_encrypted(disk, extent)
        return
    volume = work / _NTFS_VOLUME
    with made_ntfs(volume, extent, "Windows") as root:
        fill_system_volume(root, master, drives=drives, uefi_loader=uefi_loader)
        if places and master.layout is MbrLayout.SINGLE:
            _put_boot_manager(root, master, places)
    if master.state is State.DIRTY_VOLUME:
        mark_volume_dirty(volume)
    lay_into(disk, extent, volume)


def _put_data_volume(disk: Path, work: Path, extent: Extent, master: WindowsMaster) -> None:
    if master.state is State.BITLOCKER_DATA:
        _put_encrypted(disk, extent)
    if master.state is State.DIRTY_DATA:
        volume = work / "data.ntfs"
        with made_ntfs(volume, extent, "Data") as root:
            (root / "figures.bin").write_bytes(bytes(5_000_000))
        mark_volume_dirty(volume)
        lay_into(disk, extent, volume)


def _put_encrypted(disk: Path, extent: Extent) -> None:
    """What BitLocker leaves readable: its boot sector; the rest is noise."""
    boot = b"\xeb\x58\x90-FVE-FS-" + struct.pack("<HB", 512, 8)
    noise = b"".join(uuid.uuid5(uuid.NAMESPACE_URL, str(i)).bytes for i in range(1 << 16))
    with disk.open("r+b") as file:
        file.seek(extent.offset)
        file.write(boot.ljust(510, b"\0") + b"\x55\xaa" + noise)


def _build_data_disk(disk: Path, work: Path, identity: uuid.UUID) -> None:
    (extent,) = write_gpt(disk, identity, [Partition("Basic data partition", _NTFS_GPT)])
    volume = work / _NTFS_VOLUME
    with made_ntfs(volume, extent, "Data") as root:
        (root / "Reports").mkdir()
        (root / "Reports/2024.txt").write_text("figures\r\n", newline="")
    lay_into(disk, extent, volume)
