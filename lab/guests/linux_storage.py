"""Where a Linux master keeps its files: partitions, logical volumes, subvolumes, and their table.

File systems are made in files of their own and laid into the disk. ext4 is filled without a mount;
XFS and btrfs are mounted for it, and LVM's own tools write their metadata through a loop device:
both need root, and neither needs a device mapper.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from imageport.host.run import run
from lab.guests.disk_image import MIB, Extent, Partition, blank_disk, lay_into

GROUP: Final = "master-vg"
"""A name with a dash, which device-mapper doubles: `/dev/mapper/master--vg-root`."""
_MAPPER: Final = "/dev/mapper/master--vg"
_BOOT_MIB: Final = 384
_SWAP_MIB: Final = 64
_VAR_MIB: Final = 512
_LVM_OPTIONS: Final = (
    "--driverloaded=n",
    "--config=devices{obtain_device_list_from_udev=0 use_devicesfile=0} "
    "backup{backup=0 archive=0} activation{udev_sync=0 udev_rules=0 monitoring=0}",
)


class Root(StrEnum):
    """What the root file system lies on."""

    EXT4 = "ext4"
    XFS = "xfs"
    BTRFS = "btrfs"
    """Subvolumes `@`, `@home` and `@var`; the default one is the top."""
    LVM = "lvm"
    """ext4 in a volume group, beside volumes for /var and swap; /boot is a partition."""
    LVM_XFS = "lvm-xfs"
    """The same with XFS, as Red Hat's installer makes it."""


@dataclass(frozen=True, slots=True)
class Storage:
    """How the source machine names and finds it all."""

    partitions: tuple[Partition, ...]
    """Behind the first one, which is the firmware's."""
    table: str
    """fstab's lines but the EFI system partition's."""
    root_words: str
    """`root=` and what belongs to it on the kernel's command line."""
    boot: str
    """/boot's path in the file system that it lies in, as GRUB sees that."""
    boot_partition: int


_SWAP = Partition("swap", "8200", _SWAP_MIB)


def _plain(kind: str, options: str, words: str = "", boot: str = "/boot") -> Storage:
    table = f"/dev/sda3 / {kind} {options}\n/dev/sda2 none swap sw 0 0\n"
    partitions = (_SWAP, Partition("root", "8304"))
    return Storage(partitions, table, f"root=/dev/sda3{words}", boot, 3)


def _grouped(kind: str) -> Storage:
    table = (
        f"{_MAPPER}-root / {kind} defaults 0 1\n"
        f"/dev/sda2 /boot {kind} defaults 0 2\n"
        f"/dev/{GROUP}/var /var {kind} defaults 0 2\n"
        f"{_MAPPER}-swap none swap sw 0 0\n"
    )
    words = f"root={_MAPPER}-root rd.lvm.lv={GROUP}/root rd.retry=40"
    partitions = (Partition("boot", "8300", _BOOT_MIB), Partition("group", "8E00"))
    return Storage(partitions, table, words, "", 2)


_BTRFS_TABLE: Final = (
    "/dev/sda3 /home btrfs defaults,subvol=@home 0 0\n"
    "/dev/sda3 /var btrfs defaults,subvol=@var 0 0\n"
)


def storage(root: Root) -> Storage:
    """The storage of a master whose root is `root`."""
    match root:
        case Root.EXT4:
            return _plain("ext4", "errors=remount-ro 0 1")
        case Root.XFS:
            return _plain("xfs", "defaults 0 0")
        case Root.BTRFS:
            made = _plain("btrfs", "defaults,subvol=@ 0 0", " rootflags=subvol=@", "/@/boot")
            return Storage(
                made.partitions, made.table + _BTRFS_TABLE, made.root_words, made.boot, 3
            )
        case Root.LVM:
            return _grouped("ext4")
        case Root.LVM_XFS:
            return _grouped("xfs")


def fill(disk: Path, extents: Sequence[Extent], tree: Path, root: Root, boot_id: uuid.UUID) -> None:
    """Write `tree` to its volumes on `disk`; `tree` is taken apart by it.

    `extents` are of `storage(root).partitions`; `boot_id` becomes the UUID of the file system that
    holds /boot.
    """
    first, last = extents
    work = tree.with_name("volumes")
    work.mkdir()
    if root in (Root.LVM, Root.LVM_XFS):
        kind = "ext4" if root is Root.LVM else "xfs"
        boot, var = _taken(tree, "boot", work), _taken(tree, "var", work)
        _put(disk, first, kind, boot, boot_id)
        volumes = {"swap": _SWAP_MIB, "var": _VAR_MIB, "root": None}
        places = dict(zip(volumes, _make_group(disk, last, volumes), strict=True))
        _put_swap(disk, places["swap"], work, uuid.uuid5(boot_id, "swap"))
        _put(disk, places["var"], kind, var, uuid.uuid5(boot_id, "var"))
        _put(disk, places["root"], kind, tree, uuid.uuid5(boot_id, "root"))
    else:
        _put_swap(disk, first, work, uuid.uuid5(boot_id, "swap"))
        _put(disk, last, root, tree, boot_id)
    shutil.rmtree(work)


def _taken(tree: Path, name: str, work: Path) -> Path:
    """The folder `name` moved out of `tree`, an empty one left in its place."""
    (tree / name).rename(work / name)
    (tree / name).mkdir()
    return work / name


def _put_swap(disk: Path, extent: Extent, work: Path, identity: uuid.UUID) -> None:
    volume = work / "swap"
    blank_disk(volume, extent.size // MIB)
    volume.chmod(0o600)
    run(["mkswap", "-U", str(identity), volume])
    lay_into(disk, extent, volume)


def _put(disk: Path, extent: Extent, kind: str, tree: Path, identity: uuid.UUID) -> None:
    volume = tree.with_name(f"{tree.name}.{kind}")
    blank_disk(volume, extent.size // MIB)
    name = str(identity)
    match kind:
        case "ext4":
            lazy = ("-E", "lazy_itable_init=1")
            run(["mke2fs", "-q", "-F", "-t", "ext4", "-U", name, "-d", tree, *lazy, volume])
        case "xfs":
            run(["mkfs.xfs", "-q", "-m", f"uuid={name}", volume])
            with _mounted(volume) as place:
                run(["cp", "-a", f"{tree}/.", place])
        case _:
            run(["mkfs.btrfs", "-q", "-U", name, volume])
            with _mounted(volume) as place:
                _fill_subvolumes(tree, place)
    lay_into(disk, extent, volume)
    volume.unlink()


def _fill_subvolumes(tree: Path, place: Path) -> None:
    for name in ("@", "@home", "@var"):
        run(["btrfs", "-q", "subvolume", "create", place / name])
    for part in ("home", "var"):
        run(["cp", "-a", f"{tree / part}/.", place / f"@{part}"])
        shutil.rmtree(tree / part)
        (tree / part).mkdir()
    run(["cp", "-a", f"{tree}/.", place / "@"])


@contextmanager
def _mounted(volume: Path) -> Iterator[Path]:
    place = volume.with_suffix(".mounted")
    place.mkdir()
    run(["mount", "-o", "loop", volume, place])
    try:
        yield place
    finally:
        run(["umount", place])
        place.rmdir()


def _make_group(disk: Path, extent: Extent, volumes: dict[str, int | None]) -> list[Extent]:
    """Make the volume group in its partition; where its volumes come to lie, in order.

    Each is one run of extents (a fresh group is filled from its start), so that a volume is a
    place on the disk like any other.
    """
    place = ("--offset", str(extent.offset), "--sizelimit", str(extent.size))
    device = run(["losetup", "--find", "--show", *place, disk]).strip()
    try:
        options = (*_LVM_OPTIONS, f"--devices={device}")
        run(["pvcreate", "--quiet", *options, device])
        run(["vgcreate", "--quiet", *options, GROUP, device])
        for name, size in volumes.items():
            room = ("--extents", "100%FREE") if size is None else ("--size", f"{size}m")
            plain = ("--activate=n", "--zero=n", "--wipesignatures=n", "--name", name)
            run(["lvcreate", "--quiet", *options, *plain, *room, GROUP])
        columns = "pvseg_start,pvseg_size,pe_start,vg_extent_size"
        report = ("--segments", "--noheadings", "--units=s", "--nosuffix", "--options", columns)
        said = run(["pvs", *options, *report])
    finally:
        run(["losetup", "--detach", device])
    # LVM also says that it does not talk to a device mapper.
    lines = (line.split() for line in said.splitlines())
    rows = [[int(word) for word in words] for words in lines if "".join(words).isdigit()]
    return [_segment(extent, row) for row in rows[: len(volumes)]]


def _segment(extent: Extent, row: list[int]) -> Extent:
    start, length, first, unit = row
    return Extent(extent.start + first + start * unit, length * unit)
