"""The machine's own proxy setting does not go to a cloud, where nothing answers at its address."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import DropValue
from imageport.guest.windows.places import CURRENT
from imageport.model.guest import OsFamily
from imageport.model.target import CLOUDS

_CONNECTIONS: Final = rf"{CURRENT}\Internet Settings\Connections"
_SETTING: Final = "WinHttpSettings"
"""What `netsh winhttp set proxy` writes, and `reset proxy` removes."""


class Proxy(FixUp):
    """ "Prepare a Windows VHD" (Azure): agents of a cloud reach it directly, or not at all."""

    name = "proxy"
    family = OsFamily.WINDOWS
    order = 52
    watches = (rf"{_CONNECTIONS}\{_SETTING}",)

    def applies(self, task: Task) -> bool:
        """Clouds only: between two hypervisors of a data centre the proxy stays the same."""
        return task.target.target in CLOUDS

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Gone where it was seen."""
        before = task.windows.registry.get(self.watches[0])
        if before is None:
            return ()
        return (DropValue(_CONNECTIONS, _SETTING, "proxy of the source's network", before),)
