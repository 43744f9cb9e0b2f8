"""Mounting one volume of the image on a folder, and unmounting it whatever happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from imageport.guest.command import attempt
from imageport.guest.errors import DirtyXfsError, MountError
from imageport.model.guest import Volume

READ_ONLY: Final = {
    "ext4": "ro,noload",
    "xfs": "ro,norecovery,nouuid",
    "btrfs": "ro",
    "ntfs": "ro",
    "vfat": "ro",
}
_WRITABLE: Final = {"xfs": "rw,nouuid"}
_UNMOUNT_TRIES: Final = 3


@contextmanager
def mounted(
    volume: Volume, place: Path, *, writable: bool, options: tuple[str, ...] = ()
) -> Iterator[Path]:
    """Mount `volume` on the folder `place` (made where absent); unmount it whatever happens.

    `options` are added to those that every volume of its kind is mounted with.
    """
    place.mkdir(parents=True, exist_ok=True)
    _mount(volume, place, writable=writable, options=options)
    try:
        yield place
    finally:
        unmount(place)


def _mount(volume: Volume, place: Path, *, writable: bool, options: tuple[str, ...]) -> None:
    usual = _WRITABLE.get(volume.kind, "rw") if writable else READ_ONLY[volume.kind]
    kind = "ntfs3" if volume.kind == "ntfs" else volume.kind
    joined = ",".join((usual, *options))
    done = attempt(["mount", "-t", kind, "-o", joined, volume.device, place])
    if done.returncode and volume.kind == "ntfs":
        # The kernel lacks ntfs3 or would not have the volume; the FUSE driver falls back to
        # read-only by itself when Windows is hibernated, which norecover,nofallback forbids.
        strict = "rw,norecover" if writable else "ro,norecover"
        done = attempt(["ntfs-3g", "-o", strict, volume.device, place])
    if done.returncode:
        detail = " ".join(done.stdout.decode(errors="replace").split())
        raise MountError(kind=volume.kind, device=volume.device, detail=detail)


def unmount(place: Path) -> None:
    """Unmount `place`; what keeps it busy loses it (a lazy unmount), so that nothing is left."""
    for _ in range(_UNMOUNT_TRIES):
        if attempt(["umount", place]).returncode == 0:
            return
    os.sync()
    attempt(["umount", "-l", place])


def check_journal(volume: Volume) -> None:
    """Raise `DirtyXfsError` for an XFS whose log holds what its file system does not.

    A look that writes nothing (`norecovery`) would see old files there, and plan by them.
    """
    if volume.kind != "xfs":
        return
    said = attempt(["xfs_logprint", "-t", volume.device]).stdout.decode(errors="replace")
    if "<DIRTY>" in said:
        raise DirtyXfsError(device=volume.name or volume.device)
