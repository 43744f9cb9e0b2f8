"""Google's disks tell virtio's driver how they are aligned, if it asks."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_DEVICE: Final = rf"{SERVICES}\vioscsi\Parameters\Device"


class AccessAlignment(FixUp):
    """As Google's own driver package sets it: without it, 4 KiB disks are written in pieces."""

    name = "access-alignment"
    family = OsFamily.WINDOWS
    order = 12
    watches = (rf"{_DEVICE}\EnableQueryAccessAlignment",)

    def applies(self, task: Task) -> bool:
        """Google Cloud, with the driver there or to come from the library."""
        there = task.windows.service("vioscsi") is not None or bool(task.options.drivers)
        return task.target.target is Target.GCP and there

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """One value."""
        value = Value.from_dword("EnableQueryAccessAlignment", 1)
        return (SetValue(_DEVICE, value, "virtio-scsi asks for a disk's alignment"),)
