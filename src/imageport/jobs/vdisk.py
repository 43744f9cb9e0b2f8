"""What is checked of a vDisk of Citrix Provisioning before it is read, or gets a version."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, unquote

from imageport.disk.ends.folders import open_folder
from imageport.disk.ends.open import Access, is_local
from imageport.jobs.errors import VdiskFormat, VdiskLocked
from imageport.model.job import MigrateRequest
from imageport.model.target import DiskFormat
from imageport.platforms.pvs.names import parse
from imageport.platforms.pvs.store import Store

_FORMATS: Final = (DiskFormat.VHD, DiskFormat.VHD_FIXED, DiskFormat.VHDX)


def check_vdisk(request: MigrateRequest, source: DiskFormat, access: Access) -> None:
    """Raises VdiskFormat, and VdiskLocked when Citrix Provisioning has the vDisk in use.

    Beside `win.2.avhdx` it keeps its lock in `win.2.lok` ("VHDX chain of differencing disks",
    Citrix Provisioning's documentation). The vDisk may be called as its versions never are.
    """
    if source not in _FORMATS:
        raise VdiskFormat(path=request.source, format=source)
    folder, name = _split(request.source)
    lock = str(PurePosixPath(name).with_suffix(".lok"))
    files = {file.casefold(): size for file, size in open_folder(folder, access).files().items()}
    if files.get(lock.casefold()) and not request.ignore_lock:
        raise VdiskLocked(path=request.source, lock=lock)


def readable_version(address: str, access: Access, *, ignore_lock: bool = False) -> str:
    """The address of a version of a vDisk that can be read, with its whole chain.

    `address` names the file of a version, or, without extension, the vDisk, whose newest version is
    meant then. Raises `StoreError`, such as `VdiskInUse`, and `DiskError`.
    """
    folder, file = _split(address)
    store = Store(open_folder(folder, access))
    image = parse(file)
    if image:
        vdisk, number = store.vdisk(f"{image.vdisk}.{image.format}"), image.number
    else:
        vdisk = store.vdisk(file)
        number = vdisk.newest.number
    opened = store.open(vdisk, number, ignore_lock=ignore_lock)
    found = opened.chain[0].file
    opened.disk.close()
    return f"{folder}/{found if is_local(address) else quote(found)}"


def _split(address: str) -> tuple[str, str]:
    """Folder and name of a file."""
    folder, _, name = address.rpartition("/")
    return folder, name if is_local(address) else unquote(name)
