"""What the hardware clock shows: UTC on clouds, local time on hypervisors that set it so."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.places import CONTROL
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_TIME: Final = rf"{CONTROL}\TimeZoneInformation"
_UTC_CLOCKS: Final = (Target.AZURE, Target.AWS, Target.GCP)
_LOCAL_CLOCKS: Final = (Target.VSPHERE, Target.XENSERVER)


class Clock(FixUp):
    """`RealTimeIsUniversal`: "Prepare a Windows VHD" (Azure), "Set the time" (AWS), and what
    Google's own images have."""

    name = "clock"
    family = OsFamily.WINDOWS
    order = 70
    watches = (rf"{_TIME}\RealTimeIsUniversal",)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Set it, drop it, or leave it where either is possible."""
        target = task.target.target
        if target in _UTC_CLOCKS:
            value = Value.from_dword("RealTimeIsUniversal", 1)
            return (SetValue(_TIME, value, "the hardware clock runs in UTC"),)
        before = task.windows.registry.get(self.watches[0])
        if target in _LOCAL_CLOCKS and before:
            what = "the hardware clock runs in local time"
            return (DropValue(_TIME, "RealTimeIsUniversal", what, before),)
        return ()
