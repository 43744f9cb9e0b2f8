"""The files of a phony Windows' system volume, and the bad states that one can be left in."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import base_block_checksum
from lab.guests.registry_data import Values
from lab.guests.windows_drivers import HANGING_DRIVER, Driver
from lab.guests.windows_drivers import drivers as drivers_of
from lab.guests.windows_registry import HIVES, write_hives
from lab.guests.windows_software import write_agents
from lab.guests.windows_spec import State, WindowsMaster
from lab.guests.windows_states import leave_files

_FOLDERS: Final = (
    "Windows/System32/config",
    "Windows/System32/drivers/etc",
    "Windows/System32/DriverStore/FileRepository",
    "Windows/INF",
    "Windows/Temp",
    "Windows/Panther",
    "Program Files/Common Files",
    "Program Files (x86)",
    "ProgramData",
    "Users/Administrator",
    "Users/Public",
    "Recovery",
)
_PROGRAMS: Final = (
    "explorer.exe",
    "System32/cmd.exe",
    "System32/ntoskrnl.exe",
    "System32/winload.exe",
    "System32/winload.efi",
)
_X64: Final = 0x8664
_I386: Final = 0x014C
_HANG: Final = b"imageport-lab: hang"
_BASE_BLOCK: Final = 512
"""Bytes of a base block that a log file repeats."""


def fill_system_volume(
    root: Path, master: WindowsMaster, *, drives: Values, uefi_loader: Path | None = None
) -> None:
    """Lay out `\\Windows` and its neighbours in the mounted volume `root`.

    `drives` is what it remembers of volumes; `uefi_loader` is its boot manager for UEFI.
    """
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True)
    windows = root / "Windows"
    machine = _I386 if master.state is State.THIRTY_TWO_BIT else _X64
    for program in _PROGRAMS:
        (windows / program).write_bytes(portable_executable(machine=machine))
    for driver in drivers_of(master):
        _install(windows, driver)
    (windows / "System32/drivers/etc/hosts").write_text("# Copyright: none\r\n", newline="")
    config = windows / "System32/config"
    write_hives(master, config, drives)
    if uefi_loader:
        _put_loaders(windows / "Boot", uefi_loader)
    for name in HIVES:
        for log in ("LOG1", "LOG2"):
            (config / f"{name}.{log}").touch()
    (root / "pagefile.sys").write_bytes(bytes(1 << 20))
    write_agents(root, master)
    leave_files(root, master)
    if master.state is State.DIRTY_HIVE:
        _make_dirty(config / "SYSTEM", config / "SYSTEM.LOG1")


def _put_loaders(boot: Path, manager: Path) -> None:
    """What bcdboot copies to an EFI system partition."""
    for folder in ("EFI/en-US", "Fonts", "Resources/en-US"):
        (boot / folder).mkdir(parents=True)
    shutil.copyfile(manager, boot / "EFI/bootmgfw.efi")
    (boot / "EFI/memtest.efi").write_bytes(portable_executable())
    (boot / "EFI/en-US/bootmgfw.efi.mui").write_bytes(portable_executable())
    (boot / "Fonts/wgl4_boot.ttf").write_bytes(b"\0\1\0\0".ljust(4096, b"f"))
    (boot / "Resources/bootres.dll").write_bytes(portable_executable())
    (boot / "Resources/en-US/bootres.dll.mui").write_bytes(portable_executable())


def _install(windows: Path, driver: Driver) -> None:
    program = portable_executable(_HANG if driver.service == HANGING_DRIVER else b"")
    (windows / driver.image.replace("\\", "/")).write_bytes(program)
    if driver.inf:
        inf = windows / "INF" / driver.inf
        lines = [f"%name% = {driver.service}_Inst, {device}" for device in driver.ids]
        with inf.open("a", newline="") as file:
            file.write("\r\n".join(["[Version]", "[Manufacturer]", *lines, ""]))


def portable_executable(payload: bytes = b"", machine: int = _X64) -> bytes:
    """A minimal PE32+ program (PE format 4.x): enough for whoever asks what it is."""
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 0x80)
    file_header = struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0x200, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHH", 0x140000000, 0x1000, 0x200, 10, 0, 0, 0, 10, 0)
    optional += struct.pack("<IIIIHH", 0, 0x2000, 0x200, 0, 3, 0x8160)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16) + bytes(128)
    section = b".text\0\0\0" + struct.pack("<IIII", 0x200, 0x1000, 0x200, 0x200)
    section += struct.pack("<IIHHI", 0, 0, 0, 0, 0x60000020)
    headers = dos.ljust(0x80, b"\0") + b"PE\0\0" + file_header + optional + section
    return headers.ljust(0x200, b"\0") + (b"\xc3" + payload).ljust(0x200, b"\0")


def _make_dirty(hive: Path, log: Path) -> None:
    """As after a power cut: the second sequence number lags behind, the log holds the write."""
    content = bytearray(hive.read_bytes())
    first = struct.unpack_from("<I", content, 4)[0]
    struct.pack_into("<I", content, 4, first + 1)
    struct.pack_into("<I", content, 508, base_block_checksum(bytes(content)))
    hive.write_bytes(content)
    log.write_bytes(bytes(content[:_BASE_BLOCK]) + b"HvLE".ljust(_BASE_BLOCK, b"\0"))


def mark_volume_dirty(volume: Path) -> None:
    """Set the dirty flag in $Volume's $VOLUME_INFORMATION, in the MFT and in its mirror.

    NTFS documentation (linux-ntfs): boot sector offsets 0x0B, 0x0D, 0x30, 0x38, 0x40; $Volume is
    record 3; attribute type 0x70 is resident, its flags lie at offset 10 of its content.
    """
    with volume.open("r+b") as file:
        boot = file.read(512)
        cluster = struct.unpack_from("<H", boot, 0x0B)[0] * boot[0x0D]
        record_size = 1 << -struct.unpack_from("<b", boot, 0x40)[0]
        for place in struct.unpack_from("<QQ", boot, 0x30):
            start = place * cluster + 3 * record_size
            file.seek(start)
            record = file.read(record_size)
            flags = start + _volume_flags(record)
            file.seek(flags)
            file.write(struct.pack("<H", 1))


def _volume_flags(record: bytes) -> int:
    offset = struct.unpack_from("<H", record, 20)[0]
    while True:
        kind, length = struct.unpack_from("<II", record, offset)
        if kind == 0x70:
            return int(offset + struct.unpack_from("<H", record, offset + 20)[0] + 10)
        if kind == 0xFFFFFFFF or not length:
            raise ValueError("this volume has no $VOLUME_INFORMATION")
        offset += length
