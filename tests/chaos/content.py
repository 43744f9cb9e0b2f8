"""What a migrated image holds: everything but what no two boots of one guest write alike."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive, Key
from imageport.host.run import run
from lab.guests.disk_image import MIB, Extent
from lab.guests.inside import exported, mounted_ntfs, partitions

_HIVES: Final = ("SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT")

# A hive's own file has the time of each key's last change in it: its keys and values are compared.
# Nothing else of the phony Windows differs, and no value does.
_HIVE_FILE: Final = re.compile(rf"/Windows/System32/config/({'|'.join(_HIVES)})$")

_WRITTEN_ANEW: Final = re.compile(
    "|".join(
        (
            r"/etc/machine-id$",  # a new identity of its own, by the first boot
            r"/etc/ssh/ssh_host_\w+_key(\.pub)?$",  # the same
            r"/var/cache/ldconfig/aux-cache$",  # times and inode numbers of libraries
            r"/var/lib/dhcp/dhclient\.\w+\.leases$",  # the lease's times
            r"/var/lib/systemd/random-seed$",
        )
    )
)
"""Files of a Linux that are in both images, with a content of each one's own."""

_LOGS: Final = re.compile(r"/var/log/")
"""Paths that one image may have and another not."""


def content(image: Path, folder: Path) -> dict[str, str]:
    """Every file, link and folder of the qcow2 `image` with owner, mode and checksum, every key and
    value of its registry, and what lies outside of its file systems. `folder` is for scratch."""
    folder.mkdir()
    places = partitions(image)
    found = {"outside partitions": _outside(image, places, folder / "disk")}
    for number, place in enumerate(places, 1):
        volume = folder / f"volume-{number}"
        with exported(image, volume, place):
            start = _read(volume, 4096)
            if start[3:7] == b"NTFS":
                entries = _ntfs(image, number)
            elif start[1080:1082] == b"\x53\xef" or start[82:87] == b"FAT32":
                entries = _copied(volume, folder / f"tree-{number}")
            else:
                # Swap's pages are nobody's; a boot loader's room begins with its code.
                entries = {"": hashlib.sha256(start).hexdigest()}
        found |= {f"{number}:{name}": what for name, what in entries.items()}
    return found


def _outside(image: Path, places: list[Extent], disk: Path) -> str:
    """Checksum of partition tables, boot code and all that no partition holds."""
    digest = hashlib.sha256()
    with exported(image, disk), disk.open("rb") as file:
        begin = 0
        ends = [*((place.offset, place.size) for place in places), (disk.stat().st_size, 0)]
        for offset, size in sorted(ends):
            file.seek(begin)
            while file.tell() < offset:
                digest.update(file.read(min(MIB, offset - file.tell())))
            begin = offset + size
    return digest.hexdigest()


def _ntfs(image: Path, number: int) -> dict[str, str]:
    with mounted_ntfs(image, number) as root:
        found = dict(_entries(root))
        for hive in _HIVES:
            file = root / "Windows/System32/config" / hive
            if file.exists():
                with Hive.open(file, accept_dirty=True) as opened:
                    found |= {f"{hive}{name}": value for name, value in _registry(opened.root)}
    return found


def _copied(volume: Path, tree: Path) -> dict[str, str]:
    """The files of an ext4 or a FAT, copied out: no loop device is needed."""
    tree.mkdir()
    if _read(volume, 87)[82:] == b"FAT32":
        run(["mcopy", "-s", "-n", "-Q", "-i", volume, "::/", tree])
    else:
        run(["debugfs", "-R", f"rdump / {tree}", volume])
    return dict(_entries(tree))


def _read(file: Path, length: int) -> bytes:
    with file.open("rb") as stream:
        return stream.read(length)


def _entries(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        name = f"/{path.relative_to(root)}"
        if not _LOGS.match(name):
            status = path.lstat()
            what = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
            yield name, f"{what} {_held(path, name)}".strip()


def _held(path: Path, name: str) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if not path.is_file() or _HIVE_FILE.match(name) or _WRITTEN_ANEW.match(name):
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _registry(key: Key) -> Iterator[tuple[str, str]]:
    yield key.path, "key"
    for value in key.values():
        yield f"{key.path}:{value.name}", f"{value.type} {value.data!r}"
    for below in key.subkeys():
        yield from _registry(below)
