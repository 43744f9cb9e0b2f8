"""What is checked of a vDisk of Citrix Provisioning before it gets a version."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imageport.jobs.errors import VdiskFormat, VdiskLocked
from imageport.model.job import MigrateRequest
from imageport.model.target import DiskFormat

_FORMATS: Final = (DiskFormat.VHD, DiskFormat.VHD_FIXED, DiskFormat.VHDX)


def check_vdisk(request: MigrateRequest, source: DiskFormat) -> None:
    """Raises VdiskFormat, and VdiskLocked when Citrix Provisioning has the vDisk in use.

    Beside `win.2.avhdx` it keeps its lock in `win.2.lok` ("VHDX chain of differencing disks",
    Citrix Provisioning's documentation).
    """
    vdisk = Path(request.source)
    if source not in _FORMATS:
        raise VdiskFormat(path=str(vdisk), format=source)
    lock = vdisk.with_suffix(".lok")
    if not request.ignore_lock and lock.exists() and lock.stat().st_size:
        raise VdiskLocked(path=str(vdisk), lock=lock.name)
