"""Chkdsk: the system volume is checked by Windows itself."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import FixUp, Step, Task
from imageport.model.guest import OsFamily

_SCRIPT: Final = (
    "chkdsk %SystemDrive% /scan\n"
    'set "code=%errorlevel%"\n'
    'if "%code%"=="1" exit /b 0\n'
    "exit /b %code%"
)
"""While it runs: a check before the start would need a dirty volume, which the engine between both
boots could not open. 1: errors were found and repaired."""


class CheckDisk(FixUp):
    """After everything that writes."""

    name = "check-disk"
    family = OsFamily.WINDOWS
    order = 86

    def applies(self, task: Task) -> bool:
        """Where it is asked for."""
        return task.options.chkdsk

    def steps(self, task: Task) -> tuple[Step, ...]:
        """What it finds is told; the image boots with it."""
        return (Step("chkdsk", _SCRIPT, required=False),)
