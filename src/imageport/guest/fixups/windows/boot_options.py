r"""The boot store (BCD): failures do not end in the recovery menu, and the serial console is the
platform's.

Elements by their numbers ("BCD elements", Microsoft): `Objects\{guid}\Elements\<number>\Element`,
booleans one byte, integers eight.
"""

from __future__ import annotations

import struct
from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import EMS_SETTINGS
from imageport.guest.windows.registry_value import Value
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_AUTO_RECOVERY: Final = "16000009"
_BOOT_EMS: Final = "16000020"
_EMS_PORT: Final = "15000022"
_EMS_BAUD: Final = "15000023"
_OS_EMS: Final = "260000b0"
_BOOT_STATUS_POLICY: Final = "250000e0"
_IGNORE_ALL_FAILURES: Final = 1
_BAUD: Final = 115200
_EMS_PORTS: Final = {Target.AZURE: 1, Target.AWS: 1, Target.GCP: 2}
"""COM port of each cloud's serial console for Windows' emergency management services."""


class BootOptions(FixUp):
    """Edits every loader of Windows in the store, and the store's EMS settings."""

    name = "boot-options"
    family = OsFamily.WINDOWS
    order = 80

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """No boot store where the firmware looks for it."""
        if task.windows.boot_loaders:
            return ()
        return (
            Finding(
                "guest.no-boot-store",
                Severity.WARNING,
                "No boot store (BCD) with a loader of Windows was found.",
                "Check that the master machine boots; repair it with bcdboot C:\\Windows.",
            ),
        )

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """For each loader, and once for EMS where the target has a serial console."""
        port = _EMS_PORTS.get(task.target.target)
        edits: list[Edit] = []
        for loader in task.windows.boot_loaders:
            edits.append(_flag(loader, _AUTO_RECOVERY, False, "no recovery menu after a failure"))
            edits.append(
                _number(
                    loader, _BOOT_STATUS_POLICY, _IGNORE_ALL_FAILURES, "failed starts are ignored"
                )
            )
            if port:
                edits.append(_flag(loader, _OS_EMS, True, "serial console of Windows"))
        if port and task.windows.boot_loaders:
            what = f"serial console on COM{port}"
            edits.append(_flag(EMS_SETTINGS, _BOOT_EMS, True, what))
            edits.append(_number(EMS_SETTINGS, _EMS_PORT, port, what))
            edits.append(_number(EMS_SETTINGS, _EMS_BAUD, _BAUD, what))
        return tuple(edits)


def _flag(item: str, element: str, state: bool, what: str) -> SetValue:
    value = Value.from_binary("Element", b"\1" if state else b"\0")
    return SetValue(_place(item, element), value, what)


def _number(item: str, element: str, number: int, what: str) -> SetValue:
    return SetValue(
        _place(item, element), Value.from_binary("Element", struct.pack("<Q", number)), what
    )


def _place(item: str, element: str) -> str:
    return rf"BCD\Objects\{item}\Elements\{element}"
