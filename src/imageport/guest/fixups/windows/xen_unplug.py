"""Xen's emulated disks stay when Xen's own drivers do not run."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows import tools
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.places import SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Controller

_UNPLUG: Final = rf"{SERVICES}\xenfilt\Unplug"
_KINDS: Final = ("DISKS", "NICS")
_OLD: Final = rf"{SERVICES}\xenevtchn"


class XenUnplug(FixUp):
    """On a Xen machine XenServer's bus driver unplugs the emulated devices if it is told to
    (`Unplug`, win-xenbus), whether or not its own are driven. Tools that are foreign there must
    not: the machine would have no disk. Tools before version 7 obey `NoPVBoot` instead."""

    name = "xen-unplug"
    family = OsFamily.WINDOWS
    order = 32
    watches = (*(rf"{_UNPLUG}\{kind}" for kind in _KINDS), rf"{_OLD}\NoPVBoot")

    def applies(self, task: Task) -> bool:
        """Foreign tools of Xen on a platform with Xen machines."""
        stopped = tools.stopped(task.target.target, task.windows.installed)
        return Controller.XEN in task.target.controllers and "xenfilt" in stopped

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """What was seen goes."""
        seen = task.windows.registry
        what = "emulated devices stay plugged in"
        edits: list[Edit] = [
            DropValue(_UNPLUG, kind, what, seen[rf"{_UNPLUG}\{kind}"])
            for kind in _KINDS
            if rf"{_UNPLUG}\{kind}" in seen
        ]
        if task.windows.service("xenevtchn"):
            value = Value.from_dword("NoPVBoot", 1)
            edits.append(SetValue(_OLD, value, what, unless_gone=True))
        return tuple(edits)
