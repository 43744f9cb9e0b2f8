"""What a Linux root looks like, and which of its fstab's volumes belong to the system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from imageport.guest.linux.fstab import Entry
from imageport.guest.paths import inside

_PARTS: Final = ("/boot", "/efi", "/usr", "/var", "/opt")
"""Mount points that hold what a preparation reads or changes, as do those below them."""


def has_system(root: Path) -> bool:
    """Whether a Linux is installed in `root`; its /usr may be a volume of its own."""
    release = root / "etc/os-release"
    if release.is_symlink() or release.is_file():
        return True
    return inside(root, "/etc/fstab").exists() and inside(root, "/lib/modules").is_dir()


def system_parts(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries to mount below the root, each behind the one that it lies in."""
    wanted = [
        entry
        for entry in entries
        if any(
            entry.mount_point == part or entry.mount_point.startswith(f"{part}/") for part in _PARTS
        )
    ]
    return tuple(sorted(wanted, key=lambda entry: entry.mount_point.count("/")))
