"""Services that every machine with DHCP needs are not left disabled."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_DISABLED: Final = "dword:4"
_EVERYWHERE: Final = {"Dhcp": 2, "Dnscache": 2, "nsi": 2}
_AZURE: Final = {
    "BFE": 2,
    "IKEEXT": 2,
    "iphlpsvc": 2,
    "MpsSvc": 2,
    "netlogon": 3,
    "netman": 3,
}
"""Starts that Azure's page asks for ("Prepare a Windows VHD"). It asks for RemoteRegistry besides:
that is left to whoever disabled it, since no machine needs it to start, or to be reached."""


class NetworkServices(FixUp):
    """Only what is disabled is changed: another start than the default may be wanted."""

    name = "network-services"
    family = OsFamily.WINDOWS
    order = 45
    watches = tuple(rf"{SERVICES}\{name}\Start" for name in (*_EVERYWHERE, *_AZURE))

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Their usual start again."""
        wanted = {**_EVERYWHERE, **(_AZURE if task.target.target is Target.AZURE else {})}
        return tuple(
            SetValue(rf"{SERVICES}\{name}", Value.from_dword("Start", start), f"{name} may start")
            for name, start in wanted.items()
            if task.windows.registry.get(rf"{SERVICES}\{name}\Start") == _DISABLED
        )
