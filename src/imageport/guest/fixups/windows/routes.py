"""Persistent routes: those of the source's network go, Google's to its metadata server comes."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.places import ROUTES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_METADATA: Final = "169.254.169.254,255.255.255.255,0.0.0.0,1"
"""Destination, mask, gateway (none: on the link), metric, as `route -p add` writes them."""
_WANTED: Final = {Target.GCP: (_METADATA,)}


class Routes(FixUp):
    """A route over a gateway that is not there loses packets without a word."""

    name = "routes"
    family = OsFamily.WINDOWS
    order = 51
    watches = (rf"{ROUTES}\{_METADATA}",)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """All but the target's own go."""
        wanted = _WANTED.get(task.target.target, ())
        edits: list[Edit] = [
            SetValue(ROUTES, Value.from_text(route, ""), f"persistent route {route}")
            for route in wanted
        ]
        what = "persistent routes of another network"
        edits += [
            DropValue(ROUTES, each, what) for each in task.windows.routes if each not in wanted
        ]
        return tuple(edits)
