"""Settings that follow from the platform: clock, disks' policy, restart after a crash, power."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_CONTROL: Final = r"SYSTEM\CurrentControlSet\Control"
_TIME: Final = rf"{_CONTROL}\TimeZoneInformation"
_DISKS: Final = r"SYSTEM\CurrentControlSet\Services\partmgr\Parameters"
_CRASH: Final = rf"{_CONTROL}\CrashControl"
_POWER: Final = rf"{_CONTROL}\Power"
_UTC_CLOCKS: Final = (Target.AZURE, Target.AWS, Target.GCP)
_LOCAL_CLOCKS: Final = (Target.VSPHERE, Target.XENSERVER)


class Clock(FixUp):
    """Cloud machines' hardware clocks run in UTC, those of hypervisors show Windows local time."""

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


class DiskPolicy(FixUp):
    """Disks on a bus that is new to Windows Server stay online."""

    name = "disk-policy"
    family = OsFamily.WINDOWS
    order = 71
    watches = (rf"{_DISKS}\SanPolicy",)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """1: online all ("VDS_SAN_POLICY", Microsoft)."""
        what = "disks of a new controller come online"
        return (SetValue(_DISKS, Value.from_dword("SanPolicy", 1), what),)


class CrashRestart(FixUp):
    """A machine that stops in the first boot restarts, and so comes back to the engine."""

    name = "crash-restart"
    family = OsFamily.WINDOWS
    order = 72
    watches = (rf"{_CRASH}\AutoReboot", rf"{_POWER}\HibernateEnabled")

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Restart after a STOP error; no hibernation, whose file fits one machine only."""
        return (
            SetValue(_CRASH, Value.from_dword("AutoReboot", 1), "restart after a STOP error"),
            SetValue(_POWER, Value.from_dword("HibernateEnabled", 0), "no hibernation"),
        )
