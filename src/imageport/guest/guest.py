"""A guest whose file systems are mounted: what every other module of this layer works on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imageport.guest.paths import folded, inside
from imageport.model.guest import OsFamily, Volume
from imageport.model.target import Firmware


@dataclass(frozen=True, slots=True)
class Guest:
    """An operating system on a disk, its volumes mounted as folders.

    For Linux, `/boot` and the EFI system partition are mounted below `root` where the guest's own
    fstab has them; `boot` and `esp` name the same folders. For Windows `boot` is the active MBR
    partition that holds bootmgr when that is not the system volume itself.
    """

    family: OsFamily
    disk: str
    device: str
    """Block device of the system volume."""
    root: Path
    firmware: Firmware
    writable: bool = False
    esp: Path | None = None
    boot: Path | None = None
    volumes: tuple[Volume, ...] = ()
    root_options: tuple[str, ...] = ()
    """What the root was mounted with beside the usual: a btrfs' subvolume."""
    parts: tuple[tuple[str, Path], ...] = ()
    """Devices of further volumes that are mounted, and where."""

    def find(self, path: str) -> Path | None:
        """The file at `path` in the guest's own notation, or None.

        Windows paths match in any case; a Linux path's links are followed inside the guest only.
        """
        if self.family is OsFamily.WINDOWS:
            return folded(self.root, path)
        place = inside(self.root, path)
        return place if place.exists() else None

    def find_esp(self, path: str) -> Path | None:
        """The file at `path` on the EFI system partition, in any case, or None."""
        return folded(self.esp, path) if self.esp else None
