"""Embed GRUB (i386-pc) in a disk as grub-install would, without a device to install it to.

Sources: GRUB 2.06 `grub-core/boot/i386/pc/boot.S` and `diskboot.S`, `include/grub/i386/pc/boot.h`.
Both find their disk by the drive number that the BIOS, or a loader before them, hands over in DL.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from lab.guests.disk_image import SECTOR
from lab.guests.tools import run

_IMAGES: Final = Path("/usr/lib/grub/i386-pc")
_BOOT_CODE_SIZE: Final = 440
_KERNEL_SECTOR: Final = 0x5C
_DRIVE_CHECK: Final = 0x66
_FIRST_BLOCKLIST: Final = SECTOR - 12
_LOAD_SEGMENT: Final = 0x820
"""Where core.img's second sector is loaded: 0x8200, right behind its first at 0x8000."""


def embed(disk: Path, core: bytes, sector: int, room: int) -> None:
    """Put boot code in the first sector of `disk` and `core` at `sector` (`room` sectors long).

    The partition table and the disk signature stay as they are.
    """
    sectors = -(-len(core) // SECTOR)
    if sectors > room:
        raise ValueError(f"core image of {sectors} sectors for a gap of {room}")
    image = bytearray(core.ljust(sectors * SECTOR, b"\0"))
    struct.pack_into("<QHH", image, _FIRST_BLOCKLIST, sector + 1, sectors - 1, _LOAD_SEGMENT)
    boot = bytearray((_IMAGES / "boot.img").read_bytes())
    struct.pack_into("<Q", boot, _KERNEL_SECTOR, sector)
    # As grub-bios-setup does on a hard disk: no jump over the check of a BIOS's wrong DL.
    boot[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    with disk.open("r+b") as file:
        file.write(boot[:_BOOT_CODE_SIZE])
        file.seek(sector * SECTOR)
        file.write(image)


def core_image(work: Path, prefix: str, modules: tuple[str, ...], script: str = "") -> bytes:
    """A core.img with `modules`, whose `prefix` names a partition of its own disk (`(,msdos1)/`).

    `script` runs first; its commands must be those of `modules`.
    """
    configuration, made = work / "core.cfg", work / "core.img"
    configuration.write_text(script)
    with_script = ("-c", configuration) if script else ()
    options = ("-O", "i386-pc", "-p", prefix, "-o", made)
    run("grub-mkimage", *options, *with_script, "biosdisk", *modules)
    return made.read_bytes()
