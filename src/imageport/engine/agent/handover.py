"""Hands the machine over to the image's own boot loader, once (DESIGN section 3).

BIOS: GRUB's one-shot entry `image` in the engine's environment block, which the menu forgets before
it follows it. UEFI: the firmware's own one-shot, `BootNext` (UEFI 2.10, section 3.3), with a load
option that names the image's EFI system partition; a GRUB chainloader would not do there, since the
firmware connects only the disks of its boot order.
"""

from __future__ import annotations

import os
import struct
import time
import uuid
from pathlib import Path

from imageport.engine.agent.errors import HandoverImpossible

GRUB_ENVIRONMENT = Path("/boot/grub/grubenv")
EFI_VARIABLES = Path("/sys/firmware/efi/efivars")
FALLBACK_LOADER = "\\EFI\\BOOT\\BOOTX64.EFI"

_EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_EFI_SYSTEM = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
_OPTION = 0xA07
"""Number of our load option: `Boot0A07` is not one that firmware gives out by itself."""

_ATTRIBUTES = struct.pack("<I", 7)
"""Non-volatile, boot service and runtime access (UEFI 2.10, section 8.2)."""

_SECTOR = 512


def firmware() -> str:
    """`uefi` or `bios`, as this machine was started."""
    return "uefi" if EFI_VARIABLES.parent.exists() else "bios"


def set_one_shot(image: str) -> None:
    """Make the next start of the machine start the image's disk, once. Raises HandoverImpossible."""
    if firmware() == "uefi":
        _set_boot_next(image)
    else:
        _check_boot_code(image)
        _write_in_place(GRUB_ENVIRONMENT, grub_environment(next_entry="image"))


def grub_environment(**variables: str) -> bytes:
    """GRUB's environment block: 1,024 bytes, a signature line, `name=value` lines, then `#`."""
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    return f"# GRUB Environment Block\n{lines}".encode().ljust(1024, b"#")


def _write_in_place(path: Path, content: bytes) -> None:
    # GRUB clears the entry by writing to the blocks that the file has: it must keep its size.
    with path.open("r+b") as file:
        file.write(content)


def _check_boot_code(image: str) -> None:
    with Path(image).open("rb") as disk:
        sector = disk.read(_SECTOR)
    if sector[510:512] != b"\x55\xaa" or not any(sector[:64]):
        raise HandoverImpossible(
            detail="its first sector holds no boot code", firmware="bios", disk=image
        )


def _set_boot_next(image: str) -> None:
    number, first, sectors, unique = _efi_system_partition(image)
    path = device_path(number, first, sectors, unique, FALLBACK_LOADER)
    label = "imageport image\0".encode("utf-16le")
    option = struct.pack("<IH", 1, len(path)) + label + path
    _write_variable(f"Boot{_OPTION:04X}", option)
    _write_variable("BootNext", struct.pack("<H", _OPTION))


def _write_variable(name: str, value: bytes) -> None:
    # One write call for attributes and value together: that is what efivarfs takes. Its folder is
    # mounted in the background when the engine starts.
    deadline = time.monotonic() + 20
    while not any(EFI_VARIABLES.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    variable = EFI_VARIABLES / f"{name}-{_EFI_GLOBAL}"
    descriptor = os.open(variable, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, _ATTRIBUTES + value)
    finally:
        os.close(descriptor)


def device_path(number: int, first: int, sectors: int, unique: bytes, loader: str) -> bytes:
    """A device path of a file on a GPT partition (UEFI 2.10, sections 10.3.5.1 and 10.3.5.4).

    `first` and `sectors` count 512-byte sectors; `unique` is the partition's GUID as stored.
    """
    disk = struct.pack("<BBHIQQ16sBB", 4, 1, 42, number, first, sectors, unique, 2, 2)
    name = f"{loader}\0".encode("utf-16le")
    file = struct.pack("<BBH", 4, 4, 4 + len(name)) + name
    end = struct.pack("<BBH", 0x7F, 0xFF, 4)
    return disk + file + end


def _efi_system_partition(image: str) -> tuple[int, int, int, bytes]:
    """Number, first sector, sectors and GUID of the image's EFI system partition.

    Read from the partition table itself (UEFI 2.10, section 5.3): the kernel does not show GUIDs.
    """
    with Path(image).open("rb") as disk:
        disk.seek(_SECTOR)
        header = disk.read(92)
        table, entries, size = struct.unpack_from("<QII", header, 72)
        if header[:8] != b"EFI PART" or not 128 <= size <= 4096 or entries > 1024:
            raise HandoverImpossible(
                detail="it has no GUID partition table", firmware="uefi", disk=image
            )
        disk.seek(table * _SECTOR)
        rows = disk.read(entries * size)
    for index in range(entries):
        row = rows[index * size : (index + 1) * size]
        if uuid.UUID(bytes_le=row[:16]) == _EFI_SYSTEM:
            first, last = struct.unpack_from("<QQ", row, 32)
            return index + 1, first, last - first + 1, row[16:32]
    raise HandoverImpossible(
        detail="it has no EFI system partition", firmware="uefi", disk=image
    )
