"""Which subvolume of a btrfs is a system's root.

The kernel mounts the default subvolume unless it is told another by `rootflags=subvol=`, which
installers write into fstab as well. SUSE sets the default (`@/.snapshots/1/snapshot`, another one
after a rollback) and names none; Ubuntu (`@`), Fedora (`root`) and Debian (`@rootfs`) name one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imageport.guest.linux import fstab
from imageport.guest.linux.layout import has_system
from imageport.guest.mounting import mounted
from imageport.model.guest import Volume

_TOP: Final = ("subvolid=5",)
_NAMES: Final = ("@", "@rootfs", "root", "@root")
_OPTIONS: Final = ("subvol=", "subvolid=")


def subvolume_options(options: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a mount's options that choose a subvolume."""
    return tuple(option for option in options if option.startswith(_OPTIONS))


def system_subvolume(volume: Volume, folder: Path) -> tuple[str, ...] | None:
    """The mount options of the subvolume that a system on `volume` starts from; None without one.

    `folder` is where to mount it for a look. Other subvolumes with a system in them are snapshots.
    """
    with mounted(volume, folder, writable=False) as root:
        named = _named_root(root) if has_system(root) else None
    if named is not None:
        return named
    with mounted(volume, folder, writable=False, options=_TOP) as top:
        for name in _NAMES:
            if has_system(top / name):
                return _named_root(top / name) or (f"subvol={name}",)
    return None


def _named_root(root: Path) -> tuple[str, ...]:
    """What the fstab of the system in `root` says of its root; empty for the default."""
    table = root / "etc/fstab"
    entries = fstab.parse(table.read_text(errors="replace")) if table.is_file() else ()
    entry = next((each for each in entries if each.mount_point == "/"), None)
    return subvolume_options(entry.options) if entry else ()
