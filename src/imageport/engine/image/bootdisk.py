"""A disk that starts on BIOS and UEFI, written from a folder without loop devices or mounts.

Layout (GPT): 1 BIOS boot partition with GRUB's core image, 2 EFI system partition, 3 ext4 root.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from imageport.engine.image.grub import SECTOR, core_image, embed
from imageport.host.run import run

MIB = 1 << 20

SHIM = Path("/usr/lib/shim/shimx64.efi.signed")
SIGNED_GRUB = Path("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")

_BIOS_MODULES = (
    *("part_gpt", "part_msdos", "ext2", "normal", "linux", "search", "search_fs_uuid"),
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
    early = f"search.fs_uuid {disk.uuid} root\nset prefix=($root)/boot/grub\n"
    core = core_image("/boot/grub", _BIOS_MODULES, early)
    embed(output, core, sector=_BIOS_START, room=_BIOS_SECTORS)
