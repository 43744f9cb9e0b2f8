r"""The page file: on a drive that the machines will have, and of a size that the platform takes.

`PagingFiles`: `C:\pagefile.sys 1024 4096` (MiB; 0 leaves the size to Windows), and `?:` leaves the
drive to Windows, too.
"""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import MEMORY
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Provisioning, Target

_LEFT_TO_WINDOWS: Final = (r"?:\pagefile.sys",)
_TEMPORARY: Final = r"D:\pagefile.sys 0 0"
_FALL_BACK: Final = 1024
"""MiB: of the page file on the system volume beside one on a temporary disk."""
_FIXED: Final = 4096
_FIXED_WHERE_TIGHT: Final = 1024
_ROOMY: Final = 12 << 30
"""Bytes free: what VM Import asks for (6 GiB), and the page file, and as much again."""


class PageFiles(FixUp):
    """Azure's sizes without a temporary disk refuse nothing: an image whose only page file is on
    D: has none there, and a machine cannot be changed from a size with the disk to one without.
    So the system volume always holds one."""

    name = "page-file"
    family = OsFamily.WINDOWS
    order = 75
    watches = (rf"{MEMORY}\PagingFiles",)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """One value, where it has to be another."""
        wanted = _wanted(task)
        if not wanted:
            return ()
        value = Value.from_strings("PagingFiles", wanted)
        return (SetValue(MEMORY, value, f"page file {' and '.join(wanted)}"),)


def _wanted(task: Task) -> tuple[str, ...]:
    """What `PagingFiles` has to be; empty where it may stay."""
    target, drive = task.target.target, task.windows.drive
    if target is Target.AZURE and task.options.temporary_disk:
        return (_TEMPORARY, rf"{drive}\pagefile.sys {_FALL_BACK} {_FALL_BACK}")
    if target is Target.AWS:
        return _fixed(task)
    # Machines of Citrix Provisioning have a write cache disk, and the page file belongs there.
    streamed = target is Target.PVS or task.options.provisioning is Provisioning.PVS
    elsewhere = any(not file.drive_here for file in task.windows.page_files)
    return _LEFT_TO_WINDOWS if elsewhere and not streamed else ()


def _fixed(task: Task) -> tuple[str, ...]:
    """AWS asks for a fixed size ("VM Import/Export requirements")."""
    files = task.windows.page_files
    if files and all(f.drive_here and f.initial and f.initial == f.maximum for f in files):
        return ()
    system = next((v for v in task.inspection.volumes if v.device == task.inspection.root), None)
    roomy = system is not None and (system.free or 0) >= _ROOMY
    size = _FIXED if roomy else _FIXED_WHERE_TIGHT
    return (rf"{task.windows.drive}\pagefile.sys {size} {size}",)
