"""What a migrated image holds, without what no two boots of a guest write alike: times and logs."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from imageport.guest.windows.hive import Hive, Key
from lab.guests.inside import exported, mounted_ntfs, partitions

_HIVES = ("SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT")
_WINDOWS_VOLATILE = re.compile(r"(?i)first-boot|\.log\d?$|System Volume Information|/config/[^/]+$")
_LINUX_VOLATILE = re.compile(
    r"^/(var/log|var/lib/(systemd|dhcp|imageport)|var/cache|run|tmp|lost\+found)/"
)


def windows_content(image: Path) -> dict[str, str]:
    """Checksum of every file, and every registry value, of the qcow2 `image` of a BIOS Windows."""
    found = {}
    with mounted_ntfs(image, 2) as root:
        for name, path in _files(root):
            if not _WINDOWS_VOLATILE.search(name):
                found[name] = _checksum(path)
        for hive in _HIVES:
            file = root / "Windows/System32/config" / hive
            if file.exists():
                with Hive.open(file, accept_dirty=True) as opened:
                    found |= {f"{hive}{name}": value for name, value in _values(opened.root)}
    return found


def linux_content(image: Path, folder: Path) -> dict[str, str]:
    """Checksum of every file of the last partition (ext4) of the qcow2 `image`."""
    volume, root = folder / "volume", folder / "mounted"
    root.mkdir(parents=True)
    with exported(image, volume, partitions(image)[-1]):
        subprocess.run(["mount", "-o", "loop,ro,noload", volume, root], check=True)
        try:
            return {
                name: str(path.readlink()) if path.is_symlink() else _checksum(path)
                for name, path in _files(root)
                if not _LINUX_VOLATILE.search(name)
            }
        finally:
            subprocess.run(["umount", root], check=True)


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or path.is_file():
            yield f"/{path.relative_to(root)}", path


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _values(key: Key) -> Iterator[tuple[str, str]]:
    for value in key.values():
        yield f"{key.path}:{value.name}", f"{value.type} {value.data!r}"
    for below in key.subkeys():
        yield from _values(below)
