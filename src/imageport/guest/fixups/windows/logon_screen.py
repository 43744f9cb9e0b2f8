"""No animation at the first logon of a machine that nobody watches."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import CURRENT
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import CLOUDS

_LOGON: Final = rf"{CURRENT}\Authentication\LogonUI"


class LogonScreen(FixUp):
    """As Google's import sets it: the animation holds the first logon up for minutes."""

    name = "logon-screen"
    family = OsFamily.WINDOWS
    order = 76
    watches = (rf"{_LOGON}\AnimationDisabled",)

    def applies(self, task: Task) -> bool:
        """Clouds only."""
        return task.target.target in CLOUDS

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """One value."""
        value = Value.from_dword("AnimationDisabled", 1)
        return (SetValue(_LOGON, value, "no first-logon animation"),)
