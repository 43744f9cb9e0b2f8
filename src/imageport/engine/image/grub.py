"""GRUB for BIOS in a disk image, embedded as its own installer does it, but without a device.

Sources: GRUB 2.06, `grub-core/boot/i386/pc/boot.S` and `diskboot.S`, `include/grub/i386/pc/boot.h`:
`boot.img` holds the 64-bit LBA of `core.img` at 0x5c, whose first sector holds a block list at
0x1f4. Both find their disk by the drive number that the BIOS, or a loader before them, hands over
in DL.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from imageport.host.run import run

SECTOR = 512

GRUB_PC = Path("/usr/lib/grub/i386-pc")
_BOOT_CODE_SIZE = 440
_KERNEL_SECTOR = 0x5C
_DRIVE_CHECK = 0x66
_FIRST_BLOCKLIST = SECTOR - 12
_LOAD_SEGMENT = 0x820
"""Where core.img's second sector is loaded: 0x8200, right behind its first at 0x8000."""


def core_image(prefix: str, modules: tuple[str, ...], script: str = "") -> bytes:
    """A core.img with `modules`; a `prefix` such as `(,msdos1)/boot/grub` is on its own disk.

    `script` runs first; its commands must be those of `modules`. Raises ToolMissing or ToolFailed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        early, made = Path(scratch, "early.cfg"), Path(scratch, "core.img")
        early.write_text(script)
        with_script = ("-c", early) if script else ()
        options = ("-O", "i386-pc", "-p", prefix, "-o", made)
        run(["grub-mkimage", *options, *with_script, "biosdisk", *modules])
        return made.read_bytes()


def embed(disk: Path, core: bytes, sector: int, room: int) -> None:
    """Put boot code in the first sector of `disk` and `core` at `sector`, `room` sectors long.

    The partition table and the disk signature stay as they are. Raises ValueError when the core
    image does not fit.
    """
    sectors = -(-len(core) // SECTOR)
    if sectors > room:
        raise ValueError(f"a core image of {sectors} sectors for a gap of {room}")
    image = bytearray(core.ljust(sectors * SECTOR, b"\0"))
    struct.pack_into("<QHH", image, _FIRST_BLOCKLIST, sector + 1, sectors - 1, _LOAD_SEGMENT)
    boot = bytearray((GRUB_PC / "boot.img").read_bytes())
    struct.pack_into("<Q", boot, _KERNEL_SECTOR, sector)
    # As grub-bios-setup does on a hard disk: no jump over the check of a BIOS's wrong DL.
    boot[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    with disk.open("r+b") as file:
        file.write(boot[:_BOOT_CODE_SIZE])
        file.seek(sector * SECTOR)
        file.write(image)
