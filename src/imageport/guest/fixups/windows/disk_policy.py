"""Disks on a bus that is new to Windows Server stay online."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily

_DISKS: Final = rf"{SERVICES}\partmgr\Parameters"


class DiskPolicy(FixUp):
    """What `diskpart` calls `san policy=OnlineAll`: Windows Server 2022 takes every disk but the
    one it started from offline when their controller changes (RHEL-55837)."""

    name = "disk-policy"
    family = OsFamily.WINDOWS
    order = 71
    watches = (rf"{_DISKS}\SanPolicy",)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """1: online all ("VDS_SAN_POLICY", Microsoft)."""
        what = "disks of a new controller come online"
        return (SetValue(_DISKS, Value.from_dword("SanPolicy", 1), what),)
