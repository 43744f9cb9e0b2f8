r"""The boot store (BCD): failures do not end in the recovery menu, and the serial console is the
platform's.

Elements by their numbers ("BCD elements", Microsoft): `Objects\{guid}\Elements\<number>\Element`,
booleans one byte, integers eight.
"""

from __future__ import annotations

import struct
from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import DropKey, SetValue
from imageport.guest.windows.places import BOOT_MANAGER, EMS_SETTINGS
from imageport.guest.windows.registry_value import Value
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_AUTO_RECOVERY: Final = "16000009"
_GRAPHICS_DISABLED: Final = "16000046"
_BOOT_EMS: Final = "16000020"
_EMS_PORT: Final = "15000022"
_EMS_BAUD: Final = "15000023"
_OS_EMS: Final = "260000b0"
_TIMEOUT: Final = "25000004"
_DISPLAY_MENU: Final = "26000020"
_BOOT_STATUS_POLICY: Final = "250000e0"
_IGNORE_ALL_FAILURES: Final = 1
_BAUD: Final = 115200
_EMS_PORTS: Final = {Target.AZURE: 1, Target.AWS: 1, Target.GCP: 2}
"""COM port of each cloud's serial console for Windows' emergency management services (SAC). On COM1
they own the port: what the first-boot runner says there is then lost, and the console shows SAC's
own lines. Google's agent and scripts speak on COM1, so SAC has COM2 there."""
_MENU_SECONDS: Final = 5
_ON: Final = "hex:01"


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
        if not task.windows.boot_loaders:
            return ()
        port = _EMS_PORTS.get(task.target.target)
        edits = [edit for loader in task.windows.boot_loaders for edit in _loader(task, loader)]
        if port:
            what = f"serial console on COM{port}"
            edits.append(_flag(EMS_SETTINGS, _BOOT_EMS, True, what))
            edits.append(_number(EMS_SETTINGS, _EMS_PORT, port, what))
            edits.append(_number(EMS_SETTINGS, _EMS_BAUD, _BAUD, what))
        else:
            edits += _off(task, EMS_SETTINGS, _BOOT_EMS)
        if task.target.target is Target.AZURE:
            edits += _menu()
        else:
            edits += _off(task, BOOT_MANAGER, _BOOT_EMS)
        return tuple(edits)


def _loader(task: Task, loader: str) -> list[Edit]:
    what = "failed starts are ignored"
    edits: list[Edit] = [
        _flag(loader, _AUTO_RECOVERY, False, "no recovery menu after a failure"),
        _number(loader, _BOOT_STATUS_POLICY, _IGNORE_ALL_FAILURES, what),
    ]
    if task.target.target in _EMS_PORTS:
        edits.append(_flag(loader, _OS_EMS, True, "serial console of Windows"))
    else:
        edits += _off(task, loader, _OS_EMS)
    if rf"{_place(loader, _GRAPHICS_DISABLED)}\Element" in task.windows.registry:
        # A loader that draws nothing leaves the picture of a failed start black.
        edits.append(DropKey(_place(loader, _GRAPHICS_DISABLED), "the loader shows its screen"))
    return edits


def _menu() -> list[Edit]:
    """The boot manager's menu on Azure's serial console ("Serial Console for Windows")."""
    what = "boot menu on the serial console"
    return [
        _flag(BOOT_MANAGER, _BOOT_EMS, True, what),
        _flag(BOOT_MANAGER, _DISPLAY_MENU, True, what),
        _number(BOOT_MANAGER, _TIMEOUT, _MENU_SECONDS, what),
    ]


def _off(task: Task, item: str, element: str) -> list[Edit]:
    """Off, where it was on: the target has no such console."""
    if task.windows.registry.get(rf"{_place(item, element)}\Element") != _ON:
        return []
    return [_flag(item, element, False, "no serial console")]


def _flag(item: str, element: str, state: bool, what: str) -> SetValue:
    value = Value.from_binary("Element", b"\1" if state else b"\0")
    return SetValue(_place(item, element), value, what)


def _number(item: str, element: str, number: int, what: str) -> SetValue:
    return SetValue(
        _place(item, element), Value.from_binary("Element", struct.pack("<Q", number)), what
    )


def _place(item: str, element: str) -> str:
    return rf"BCD\Objects\{item}\Elements\{element}"
