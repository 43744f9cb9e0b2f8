"""A disk that starts on BIOS and UEFI, written from a folder without loop devices or mounts.

Layout (GPT): 1 BIOS boot partition with GRUB's core image, 2 EFI system partition, 3 ext4 root.
GRUB is embedded by hand, as its own installer does it: `boot.img` holds the 64-bit LBA of
`core.img` at 0x5c, whose first sector holds a block list at 0x1f4 (GRUB 2.06, boot/i386/pc).
"""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from imageport.host.run import run

SECTOR = 512
MIB = 1 << 20

GRUB_PC = Path("/usr/lib/grub/i386-pc")
SHIM = Path("/usr/lib/shim/shimx64.efi.signed")
SIGNED_GRUB = Path("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")

_BIOS_MODULES = (
    *("biosdisk", "part_gpt", "part_msdos", "ext2", "normal", "linux", "search", "search_fs_uuid"),
    *("serial", "terminal", "configfile", "loadenv", "chain", "drivemap", "test", "boot"),
    *("minicmd", "echo"),
)

_BIOS_START = 2048
_BIOS_SECTORS = 2048
_ESP_START = _BIOS_START + _BIOS_SECTORS
_GPT_TAIL_SECTORS = 2048


@dataclass(frozen=True, slots=True)
class BootDisk:
    """What to make: the folder that becomes the root file system, and its names.

    `tree` holds `boot/grub/grub.cfg`, which both firmwares load. `size` and `esp_size` are in
    bytes, multiples of 1 MiB. `fakeroot_state` is the file with which `tree` was unpacked, so that
    owners and modes are right although nothing runs as root.
    """

    tree: Path
    fakeroot_state: Path
    size: int
    label: str
    uuid: str
    esp_size: int = 40 * MIB


def write_boot_disk(disk: BootDisk, output: Path) -> None:
    """Write `disk` as a raw image to `output` (replaced when it is there).

    Raises ToolMissing or ToolFailed.
    """
    output.unlink(missing_ok=True)
    with output.open("wb") as image:
        image.truncate(disk.size)
    esp_sectors = disk.esp_size // SECTOR
    root_start = _ESP_START + esp_sectors
    root_sectors = disk.size // SECTOR - _GPT_TAIL_SECTORS - root_start
    _partition(output, root_start, root_sectors)
    _make_root(disk, output, root_start, root_sectors)
    _make_esp(disk, output, esp_sectors)
    _embed_bios_grub(disk, output)


def _partition(output: Path, root_start: int, root_sectors: int) -> None:
    run(
        [
            "sgdisk",
            "--clear",
            *("--set-alignment", "2048"),
            *("--new", f"1:{_BIOS_START}:+{_BIOS_SECTORS}", "--typecode", "1:EF02"),
            *("--new", f"2:{_ESP_START}:{root_start - 1}", "--typecode", "2:EF00"),
            *("--new", f"3:{root_start}:+{root_sectors}", "--typecode", "3:8304"),
            output,
        ]
    )


def _make_root(disk: BootDisk, output: Path, start: int, sectors: int) -> None:
    run(
        [
            *("fakeroot", "-i", disk.fakeroot_state, "--"),
            *("mke2fs", "-q", "-F", "-t", "ext4", "-L", disk.label, "-U", disk.uuid),
            *("-d", disk.tree, "-E", f"offset={start * SECTOR},lazy_itable_init=1"),
            *(output, f"{sectors // 2}k"),
        ],
        env={"MKE2FS_SYNC": "0"},
    )


def _make_esp(disk: BootDisk, output: Path, sectors: int) -> None:
    run(
        [
            *("mkfs.vfat", "-F", "32", "-s", "1", "-h", str(_ESP_START), "-n", "ESP"),
            *("--offset", str(_ESP_START), output, str(sectors // 2)),
        ]
    )
    volume = f"{output}@@{_ESP_START * SECTOR}"
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch, "grub.cfg")
        config.write_text(
            f"search --no-floppy --fs-uuid --set=root {disk.uuid}\n"
            "set prefix=($root)/boot/grub\n"
            "configfile $prefix/grub.cfg\n"
        )
        run(["mmd", "-i", volume, "::EFI", "::EFI/BOOT", "::EFI/debian"])
        for source, target in (
            (SHIM, "EFI/BOOT/BOOTX64.EFI"),
            (SIGNED_GRUB, "EFI/BOOT/grubx64.efi"),
            (config, "EFI/debian/grub.cfg"),
        ):
            run(["mcopy", "-i", volume, source, f"::{target}"])


def _embed_bios_grub(disk: BootDisk, output: Path) -> None:
    core = _core_image(disk.uuid)
    boot = bytearray((GRUB_PC / "boot.img").read_bytes())
    struct.pack_into("<Q", boot, 0x5C, _BIOS_START)
    # As grub-bios-setup does for hard disks: trust the drive number that the BIOS gives in DL.
    boot[0x66:0x68] = b"\x90\x90"
    with output.open("r+b") as image:
        sector = bytearray(image.read(SECTOR))
        sector[:440] = boot[:440]
        image.seek(0)
        image.write(sector)
        image.seek(_BIOS_START * SECTOR)
        image.write(core)


def _core_image(uuid: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        early = Path(scratch, "early.cfg")
        early.write_text(f"search.fs_uuid {uuid} root\nset prefix=($root)/boot/grub\n")
        made = Path(scratch, "core.img")
        run(
            [
                *("grub-mkimage", "-O", "i386-pc", "-c", early, "-p", "/boot/grub", "-o", made),
                *_BIOS_MODULES,
            ]
        )
        core = bytearray(made.read_bytes())
    sectors = -(-len(core) // SECTOR)
    if sectors > _BIOS_SECTORS:
        raise AssertionError(f"GRUB's core image of {sectors} sectors outgrew its partition")
    core.extend(bytes(sectors * SECTOR - len(core)))
    struct.pack_into("<QHH", core, 0x1F4, _BIOS_START + 1, sectors - 1, 0x820)
    return bytes(core)
