"""Make disks out of their parts: partition tables, file systems, boot loaders. No loop devices.

File systems are made in files of their own and laid into the disk at their partition's offset.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.host.run import run

SECTOR: Final = 512
MIB: Final = 1 << 20
_ALIGNMENT: Final = 2048
"""Sectors: 1 MiB, as all installers align."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition to make; `size_mib` None takes what is left. `kind` is sgdisk's code or MBR's."""

    name: str
    kind: str
    size_mib: int | None = None
    active: bool = False


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a partition lies, in sectors of 512 bytes."""

    start: int
    sectors: int

    @property
    def offset(self) -> int:
        """In bytes."""
        return self.start * SECTOR

    @property
    def size(self) -> int:
        """In bytes."""
        return self.sectors * SECTOR


def blank_disk(disk: Path, size_mib: int) -> None:
    """Create `disk` as a sparse file."""
    with disk.open("wb") as file:
        file.truncate(size_mib * MIB)


def layout(disk: Path, partitions: Sequence[Partition]) -> list[Extent]:
    """Where `partitions` come to lie on `disk`, in order; room for a GPT is kept free."""
    end = disk.stat().st_size // SECTOR - _ALIGNMENT
    start, placed = _ALIGNMENT, []
    for partition in partitions:
        sectors = end - start if partition.size_mib is None else partition.size_mib * MIB // SECTOR
        placed.append(Extent(start, sectors))
        start += sectors
    return placed


def write_gpt(disk: Path, identity: uuid.UUID, partitions: Sequence[Partition]) -> list[Extent]:
    """Write a GPT with the disk GUID `identity`; returns where its partitions lie."""
    placed = layout(disk, partitions)
    command = ["sgdisk", "--clear", f"--disk-guid={identity}"]
    for number, (partition, extent) in enumerate(zip(partitions, placed, strict=True), 1):
        last = extent.start + extent.sectors - 1
        command.append(f"--new={number}:{extent.start}:{last}")
        command.append(f"--typecode={number}:{partition.kind}")
        command.append(f"--change-name={number}:{partition.name}")
        command.append(f"--partition-guid={number}:{uuid.uuid5(identity, partition.name)}")
    run([*command, disk])
    return placed


def write_mbr(disk: Path, signature: int, partitions: Sequence[Partition]) -> list[Extent]:
    """Write an MBR partition table with the disk `signature`; returns where its partitions lie."""
    placed = layout(disk, partitions)
    unused_chs = b"\xfe\xff\xff"
    table = b"".join(
        struct.pack(
            "<B3sB3sII",
            0x80 if partition.active else 0,
            unused_chs,
            int(partition.kind, 16),
            unused_chs,
            extent.start,
            extent.sectors,
        )
        for partition, extent in zip(partitions, placed, strict=True)
    )
    with disk.open("r+b") as file:
        file.seek(440)
        file.write(struct.pack("<IH", signature, 0) + table.ljust(64, b"\0") + b"\x55\xaa")
    return placed


def lay_into(disk: Path, extent: Extent, volume: Path) -> None:
    """Copy the file system in the file `volume` to its place on `disk`; holes stay holes."""
    place = (f"of={disk}", "oflag=seek_bytes", f"seek={extent.offset}")
    run(["dd", f"if={volume}", *place, "bs=64K", "conv=sparse,notrunc", "status=none"])


def make_fat(disk: Path, extent: Extent, label: str, files: dict[str, Path]) -> None:
    """Make a FAT32 in its place on `disk`, with `files` by their paths (`EFI/BOOT/BOOTX64.EFI`)."""
    # One sector a cluster: only so is a volume of 100 MB large enough to be FAT32 for all readers.
    geometry = ("-F32", "-s1", "-h", str(extent.start), "-n", label)
    place = ("--offset", str(extent.start), disk, str(extent.size // 1024))
    run(["mkfs.vfat", *geometry, *place])
    inside = f"{disk}@@{extent.offset}"
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    for folder in sorted(folders):
        run(["mmd", "-i", inside, f"::{folder}"])
    for name, source in files.items():
        run(["mcopy", "-i", inside, source, f"::{name}"])


@contextmanager
def made_ntfs(volume: Path, extent: Extent, label: str) -> Iterator[Path]:
    """Make an NTFS in the file `volume`; inside the context it is mounted at the path given."""
    with volume.open("wb") as file:
        file.truncate(extent.size)
    geometry = ("-p", str(extent.start), "-H", "255", "-S", "63", "-s", str(SECTOR))
    run(["mkntfs", "-Q", "-F", "-q", *geometry, "-L", label, volume])
    mounted = volume.with_suffix(".mounted")
    mounted.mkdir()
    run(["ntfs-3g", "-o", "windows_names", volume, mounted])
    try:
        yield mounted
    finally:
        run(["umount", mounted])
        mounted.rmdir()


def write_qcow2(disk: Path, made: Path) -> None:
    """Convert the raw `disk`."""
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, made])
