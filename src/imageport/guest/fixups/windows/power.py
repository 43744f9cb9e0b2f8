"""Power: no hibernation, whose file fits one machine only; full power and no dark screen on
clouds."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import CONTROL, SESSION_MANAGER
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import CLOUDS

_POWER: Final = rf"{CONTROL}\Power"
_SESSION_POWER: Final = rf"{SESSION_MANAGER}\Power"
_HIBERNATION: Final = "powercfg /hibernate off"
"""Also deletes hiberfil.sys; where the firmware knows no hibernation it fails, which is as good."""
_FULL_POWER: Final = (
    "powercfg /setactive SCHEME_MIN\npowercfg /setacvalueindex SCHEME_CURRENT SUB_VIDEO VIDEOIDLE 0"
)
"""High performance; the screen stays on ("Prepare a Windows VHD", Azure)."""


class Power(FixUp):
    """Hibernation and fast startup leave a disk that nobody else may write to."""

    name = "power"
    family = OsFamily.WINDOWS
    order = 73
    watches = (rf"{_POWER}\HibernateEnabled", rf"{_SESSION_POWER}\HiberbootEnabled")

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Both off."""
        return (
            SetValue(_POWER, Value.from_dword("HibernateEnabled", 0), "no hibernation"),
            SetValue(_SESSION_POWER, Value.from_dword("HiberbootEnabled", 0), "no fast startup"),
        )

    def steps(self, task: Task) -> tuple[Step, ...]:
        """What the power service itself has to be told."""
        lines = [_HIBERNATION]
        if task.target.target in CLOUDS:
            lines.append(_FULL_POWER)
        return (Step("power", "\n".join(lines), required=False),)
