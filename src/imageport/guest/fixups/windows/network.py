"""The network: static addresses of the source's interfaces go, DHCP stays."""

from __future__ import annotations

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily

_INTERFACES = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces"


class Network(FixUp):
    """The target's adapter gets an interface of its own; a static one left behind would come back
    with the adapter, or keep its address reserved."""

    name = "network"
    family = OsFamily.WINDOWS
    order = 50

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """For every interface with a static address."""
        edits: list[Edit] = []
        for interface in task.windows.interfaces:
            if interface.dhcp:
                continue
            key = f"{_INTERFACES}\\{interface.guid}"
            what = f"DHCP on interface {interface.guid}"
            on = Value.from_dword("EnableDHCP", 1)
            edits.append(SetValue(key, on, what, "dword:0", unless_gone=True))
            before = ", ".join(interface.addresses) or "static"
            edits += [DropValue(key, name, what, before) for name in interface.left_overs]
        return tuple(edits)
