"""Finding the volumes of a disk: what the kernel parsed and what libblkid recognises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from imageport.guest.command import attempt
from imageport.model.guest import Volume

ESP_TYPES: Final = ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef")
BIOS_BOOT_TYPES: Final = ("21686148-6449-6e6f-744e-656564454649",)
_KINDS: Final = {
    "BitLocker": "bitlocker",
    "crypto_LUKS": "luks",
    "LVM2_member": "lvm",
    "ext2": "ext4",
    "ext3": "ext4",
}
"""libblkid's names that differ from ours; ext4's driver mounts its ancestors too."""
_KNOWN: Final = ("ntfs", "ext4", "vfat", "xfs", "btrfs", "swap")
_Found = dict[str, dict[str, str]]
_SECTOR: Final = 512
"""sysfs counts in sectors of 512 bytes whatever the disk's own are."""


def scan(disk: str) -> tuple[Volume, ...]:
    """The volumes of `disk` (such as `/dev/sdb`) in order of their numbers.

    A disk without a partition table that holds a file system is one volume, number 0.
    """
    sysfs = Path("/sys/block", Path(disk).name)
    parts = sorted(sysfs.glob("*/partition"), key=lambda path: int(path.read_text()))
    if parts:
        folders = [path.parent for path in parts]
        found = _probed([f"/dev/{folder.name}" for folder in folders])
        return tuple(_partition(folder, found) for folder in folders)
    size = int((sysfs / "size").read_text()) * _SECTOR
    whole = probe(disk, number=0, offset=0, size=size)
    return () if whole.kind == "unknown" else (whole,)


def _partition(sysfs: Path, found: _Found) -> Volume:
    def number(name: str) -> int:
        return int((sysfs / name).read_text())

    return _volume(
        f"/dev/{sysfs.name}",
        found,
        number=number("partition"),
        offset=number("start") * _SECTOR,
        size=number("size") * _SECTOR,
    )


def probe(device: str, *, number: int, offset: int, size: int) -> Volume:
    """The volume on the block device `device`, by low-level probing (blkid(8), `-p`)."""
    return _volume(device, _probed([device]), number=number, offset=offset, size=size)


def _probed(devices: Sequence[str]) -> _Found:
    """blkid's tags by device: one program for all, since its start takes most of the time."""
    found: _Found = {}
    rest = list(devices)
    while rest:
        argv = ["blkid", "-p", "-o", "export", *rest]
        said = attempt(argv).stdout.decode(errors="replace")
        parts = (_tags(part) for part in said.split("\n\n"))
        answered = {tags["DEVNAME"]: tags for tags in parts if "DEVNAME" in tags}
        found |= answered
        # It ends at the first device that it knows nothing of.
        rest = rest[len(answered) + 1 :]
    return found


def _volume(device: str, probed: _Found, *, number: int, offset: int, size: int) -> Volume:
    tags = probed.get(device, {})
    found = tags.get("TYPE", "")
    kind = _KINDS.get(found, found) or _by_signature(device)
    return Volume(
        device=device,
        number=number,
        offset=offset,
        size=size,
        kind=kind if kind in (*_KNOWN, *_KINDS.values()) else "unknown",
        uuid=tags.get("UUID"),
        label=tags.get("LABEL"),
        partition_type=tags.get("PART_ENTRY_TYPE"),
        partition_uuid=tags.get("PART_ENTRY_UUID"),
        active=tags.get("PART_ENTRY_FLAGS") == "0x80",
    )


def _by_signature(device: str) -> str:
    """BitLocker by its boot sector's name alone: libblkid wants all of its metadata in order."""
    with open(device, "rb") as file:
        return "bitlocker" if file.read(11)[3:] == b"-FVE-FS-" else ""


def _tags(exported: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in exported.splitlines() if "=" in line)
    return {name: value.replace("\\", "") for name, value in pairs}
