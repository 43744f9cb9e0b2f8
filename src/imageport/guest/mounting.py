"""Mounting one volume of the image on a folder, and unmounting it whatever happens.

By the system calls (mount(2), umount2(2)) instead of their programs: under emulation, starting a
program takes longer than what it does here.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
_BUSY_SECONDS: Final = 0.05
_MS_RDONLY: Final = 1
_MNT_DETACH: Final = 2
_FITRIM: Final = 0xC0185879
"""Linux, include/uapi/linux/fs.h: `_IOWR('X', 121, struct fstrim_range)`."""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


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
    detail = _called_mount(volume.device, place, kind, (*usual.split(","), *options))
    if detail and volume.kind == "ntfs":
        # The kernel lacks ntfs3 or would not have the volume; the FUSE driver falls back to
        # read-only by itself when Windows is hibernated, which norecover,nofallback forbids.
        strict = "rw,norecover" if writable else "ro,norecover"
        done = attempt(["ntfs-3g", "-o", strict, volume.device, place])
        said = " ".join(done.stdout.decode(errors="replace").split())
        detail = said or f"ntfs-3g ended with {done.returncode}" if done.returncode else ""
    if detail:
        raise MountError(kind=volume.kind, device=volume.device, detail=detail)


def _called_mount(device: str, place: Path, kind: str, options: tuple[str, ...]) -> str:
    """Call mount(2); what is wrong, or an empty string."""
    flags = _MS_RDONLY if "ro" in options else 0
    data = ",".join(option for option in options if option not in ("ro", "rw"))
    words = (os.fsencode(word) for word in (device, place, kind))
    if _LIBC.mount(*words, ctypes.c_ulong(flags), os.fsencode(data)) == 0:
        return ""
    return os.strerror(ctypes.get_errno())


def unmount(place: Path) -> None:
    """Unmount `place`; what keeps it busy loses it (a lazy unmount), so that nothing is left."""
    name = os.fsencode(place)
    for _ in range(_UNMOUNT_TRIES):
        if _LIBC.umount2(name, 0) == 0:
            return
        if ctypes.get_errno() == errno.EBUSY:
            time.sleep(_BUSY_SECONDS)
    os.sync()
    _LIBC.umount2(name, _MNT_DETACH)


def trim(place: Path) -> None:
    """Give back the blocks that the file system mounted on `place` does not use, if it can."""
    everything = struct.pack("@QQQ", 0, 2**64 - 1, 0)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # A file system or disk that cannot trim makes the output larger, not wrong.
        with suppress(OSError):
            fcntl.ioctl(descriptor, _FITRIM, everything)
    finally:
        os.close(descriptor)


def check_journal(volume: Volume) -> None:
    """Raise `DirtyXfsError` for an XFS whose log holds what its file system does not.

    A look that writes nothing (`norecovery`) would see old files there, and plan by them.
    """
    if volume.kind != "xfs":
        return
    said = attempt(["xfs_logprint", "-t", volume.device]).stdout.decode(errors="replace")
    if "<DIRTY>" in said:
        raise DirtyXfsError(device=volume.name or volume.device)
