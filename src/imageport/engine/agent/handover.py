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
from pathlib import Path

from imageport.engine.agent.errors import HandoverImpossible
from imageport.host.partition_table import (
    EFI_SYSTEM,
    GptPartition,
    device_reader,
    gpt_partitions,
    has_boot_code,
)

GRUB_ENVIRONMENT = Path("/boot/grub/grubenv")
EFI_VARIABLES = Path("/sys/firmware/efi/efivars")
FALLBACK_LOADER = "\\EFI\\BOOT\\BOOTX64.EFI"

_EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_OPTION = 0xA07
"""Number of our load option: `Boot0A07` is not one that firmware gives out by itself."""

_ATTRIBUTES = struct.pack("<I", 7)
"""Non-volatile, boot service and runtime access (UEFI 2.10, section 8.2)."""


def firmware() -> str:
    """`uefi` or `bios`, as this machine was started."""
    return "uefi" if EFI_VARIABLES.parent.exists() else "bios"


def set_one_shot(image: str) -> None:
    """Make the machine's next start that of the image's disk, once. Raises HandoverImpossible."""
    if firmware() == "uefi":
        _set_boot_next(image)
    else:
        if not has_boot_code(device_reader(image)):
            raise HandoverImpossible(
                detail="its first sector holds no boot code", firmware="bios", disk=image
            )
        _write_in_place(GRUB_ENVIRONMENT, grub_environment(next_entry="image"))


def grub_environment(**variables: str) -> bytes:
    """GRUB's environment block: 1,024 bytes, a signature line, `name=value` lines, then `#`."""
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    return f"# GRUB Environment Block\n{lines}".encode().ljust(1024, b"#")


def _write_in_place(path: Path, content: bytes) -> None:
    # GRUB clears the entry by writing to the blocks that the file has: it must keep its size.
    with path.open("r+b") as file:
        file.write(content)


def _set_boot_next(image: str) -> None:
    partitions = gpt_partitions(device_reader(image)) or []
    system = next((each for each in partitions if each.kind == EFI_SYSTEM), None)
    if system is None:
        raise HandoverImpossible(
            detail="it has no EFI system partition", firmware="uefi", disk=image
        )
    path = device_path(system, FALLBACK_LOADER)
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


def device_path(partition: GptPartition, loader: str) -> bytes:
    """A device path of a file on a GPT partition (UEFI 2.10, sections 10.3.5.1 and 10.3.5.4)."""
    disk = struct.pack(
        "<BBHIQQ16sBB",
        *(4, 1, 42, partition.number, partition.first, partition.sectors),
        *(partition.unique.bytes_le, 2, 2),
    )
    name = f"{loader}\0".encode("utf-16le")
    file = struct.pack("<BBH", 4, 4, 4 + len(name)) + name
    end = struct.pack("<BBH", 0x7F, 0xFF, 4)
    return disk + file + end
