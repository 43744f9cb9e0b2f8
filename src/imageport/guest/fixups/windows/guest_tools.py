"""Guest tools of other platforms: their services are disabled offline, and what belongs to the
product is uninstalled in the first boot. Coming home, disabled services get their start back."""

from __future__ import annotations

import re

from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.windows import tools
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.findings_target import PRODUCT_CODE
from imageport.guest.windows.installer import remove
from imageport.guest.windows.places import SAVED_START, SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.guest_facts import WindowsService


class GuestTools(FixUp):
    """Disables and uninstalls the foreign, restores the native."""

    name = "guest-tools"
    family = OsFamily.WINDOWS
    order = 30

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """The services' `Start`, and what it was before."""
        stopped = tools.stopped(task.target.target, task.windows.installed)
        edits: list[Edit] = []
        for name in tools.services():
            service = task.windows.service(name)
            if service is None:
                continue
            start = stopped.get(name.casefold())
            if start is not None:
                edits += _stop(service, start)
            elif service.saved_start is not None:
                edits += _restore(service, service.saved_start)
        return tuple(edits)

    def steps(self, task: Task) -> tuple[Step, ...]:
        """One step for each product of a foreign vendor that Windows Installer can remove."""
        steps = []
        for vendor in tools.foreign(task.target.target):
            for product in task.windows.installed:
                code = PRODUCT_CODE.search(f"{product.key} {product.uninstall or ''}")
                if vendor.owns(product) and code:
                    name = re.sub(r"[^a-z0-9]+", "-", product.name.lower()).strip("-")
                    steps.append(Step(f"remove-{name}", remove(code[0])))
        return tuple(steps)


def _stop(service: WindowsService, start: int) -> list[Edit]:
    """Disabled, or for a driver on demand; what starts less than that stays as it is."""
    key = f"{SERVICES}\\{service.name}"
    what = f"service {service.name} of another platform does not start"
    before = service.saved_start if service.saved_start is not None else service.start
    if before is not None and before >= start:
        return []
    value = Value.from_dword("Start", start)
    edits: list[Edit] = [SetValue(key, value, what, f"dword:{service.start}", unless_gone=True)]
    if before is not None:
        saved = None if service.saved_start is None else f"dword:{service.saved_start}"
        edits.append(
            SetValue(
                key,
                Value.from_dword(SAVED_START, before),
                f"{what}: how it did",
                saved,
                unless_gone=True,
            )
        )
    return edits


def _restore(service: WindowsService, start: int) -> list[Edit]:
    key = f"{SERVICES}\\{service.name}"
    what = f"service {service.name} starts again"
    return [
        SetValue(key, Value.from_dword("Start", start), what, f"dword:{service.start}"),
        DropValue(key, SAVED_START, what, f"dword:{start}"),
    ]
