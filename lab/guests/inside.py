"""Look into, or edit, a file system inside an image file, without loop devices.

qemu-storage-daemon shows one partition of the image as a file (FUSE); NTFS is mounted from there.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from imageport.host.run import run
from lab.guests.disk_image import SECTOR, Extent

_READY_SECONDS: Final = 10.0
_GPT_ENTRY: Final = 128
_PROTECTIVE: Final = 0xEE


@contextmanager
def mounted_ntfs(image: Path, number: int, *, writable: bool = False) -> Iterator[Path]:
    """Mount partition `number` (from 1) of the qcow2 `image`, an NTFS."""
    extent = partitions(image)[number - 1]
    with tempfile.TemporaryDirectory(prefix="inside-") as name:
        volume, folder = Path(name, "volume"), Path(name, "mounted")
        folder.mkdir()
        with exported(image, volume, extent, writable=writable):
            run(["ntfs-3g", *(() if writable else ("-o", "ro")), volume, folder])
            try:
                yield folder
            finally:
                run(["umount", folder])


def partitions(image: Path) -> list[Extent]:
    """Where the partitions of the qcow2 `image` lie, from its GPT or its MBR."""
    with tempfile.TemporaryDirectory(prefix="inside-") as name:
        disk = Path(name, "disk")
        with exported(image, disk), disk.open("rb") as stream:
            start = stream.read(34 * SECTOR)
    entries = [struct.unpack_from("<4xB3xII", start, 446 + 16 * i) for i in range(4)]
    if entries[0][0] != _PROTECTIVE:
        return [Extent(first, sectors) for kind, first, sectors in entries if kind]
    table = (struct.unpack_from("<16x16xQQ", start, 1024 + _GPT_ENTRY * i) for i in range(128))
    return [Extent(first, last - first + 1) for first, last in table if first]


@contextmanager
def exported(
    image: Path, place: Path, extent: Extent | None = None, *, writable: bool = False
) -> Iterator[None]:
    """Show the qcow2 `image`, or one `extent` of it, as the raw file `place`."""
    place.touch()
    read_only = "off" if writable else "on"
    part = f",offset={extent.offset},size={extent.size}" if extent else ""
    command = ["qemu-storage-daemon"]
    command += ["--blockdev", f"file,node-name=file,filename={image},read-only={read_only}"]
    command += ["--blockdev", f"qcow2,node-name=disk,file=file,read-only={read_only}"]
    command += ["--blockdev", f"raw,node-name=part,file=disk,read-only={read_only}{part}"]
    fuse = f"fuse,id=fuse,node-name=part,mountpoint={place},allow-other=off"
    command += ["--export", f"{fuse},writable={'on' if writable else 'off'}"]
    with subprocess.Popen(command) as daemon:
        try:
            _await(place, daemon)
            yield
        finally:
            daemon.terminate()


def _await(place: Path, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while place.stat().st_size == 0:
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"qemu-storage-daemon does not show {place}")
        time.sleep(0.01)
