"""What in a Windows guest is in the way of one target: pure, by the inspection alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from imageport.guest.windows import hardware, tools
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Inspection
from imageport.model.guest_facts import WindowsFacts
from imageport.model.target import Controller, Nic, Target, TargetProfile

_IMPORT_SPACE: Final = 6 << 30
"""Bytes free on C: that VM Import asks of a Windows ("VM Import/Export requirements", AWS)."""
_BOOT_START: Final = 0
_SCSI_ADAPTER: Final = f"{{{hardware.SCSI_ADAPTER}}}"
_HDC: Final = "{4d36e96a-e325-11ce-bfc1-08002be10318}"
_NET: Final = "{4d36e972-e325-11ce-bfc1-08002be10318}"
_SYSTEM: Final = "{4d36e97d-e325-11ce-bfc1-08002be10318}"
_CLASSES: Final = {
    Controller.PVSCSI: (_SCSI_ADAPTER,),
    Controller.VIRTIO_SCSI: (_SCSI_ADAPTER,),
    Controller.NVME: (_SCSI_ADAPTER,),
    Controller.AHCI: (_HDC,),
    Controller.IDE: (_HDC,),
    Controller.XEN: (_HDC,),
    Controller.VMBUS: (_SYSTEM, _SCSI_ADAPTER),
}
"""Device classes that have to be installed for each controller's disks to be seen."""
PRODUCT_CODE: Final = re.compile(r"\{[0-9A-Fa-f-]{36}\}")
"""With it Windows Installer removes a product without asking anybody."""


def target_findings(inspection: Inspection, target: TargetProfile) -> tuple[Finding, ...]:
    """What only this target makes a finding; what lacks a driver is found by its fix-up."""
    return tuple(found for rule in _RULES for found in rule(inspection, target))


def _import_space(inspection: Inspection, target: TargetProfile) -> Iterator[Finding]:
    free = next((v.free for v in inspection.volumes if v.device == inspection.root), None)
    if target.target is Target.AWS and free is not None and free < _IMPORT_SPACE:
        yield Finding(
            "guest.aws-import-space",
            Severity.WARNING,
            f"The system volume has {free >> 20} MiB free: AWS' own import (ImportImage) refuses "
            "less than 6144 MiB. Snapshots that are written directly do not ask for it.",
            "Free space in the master machine, or enlarge its disk.",
            {"free": free, "wanted": _IMPORT_SPACE},
        )


def _forbidden_devices(inspection: Inspection, target: TargetProfile) -> Iterator[Finding]:
    windows = inspection.windows
    if windows is None or windows.driver_policy.only_listed:
        return  # the policy as a whole is a finding already
    usual = (*target.controllers[:1], *target.nics[:1])
    for device in (*_new_controllers(windows, target), *_new_nics(windows, target)):
        yield Finding(
            "guest.device-forbidden",
            # What only some of the target's machines have keeps those few from working.
            Severity.BLOCKER if device in usual else Severity.WARNING,
            f"A group policy forbids to install {device}, which {target.target} has.",
            "Take the master machine out of that policy, then take the image again.",
            {"device": str(device)},
        )


def _new_controllers(windows: WindowsFacts, target: TargetProfile) -> Iterator[Controller]:
    """Controllers that are forbidden and not in use yet: the policy leaves those alone."""
    for controller in target.controllers:
        drivers = hardware.storage(target.target, controller)
        found = [windows.service(driver.service) for driver in drivers]
        if all(each and each.start == _BOOT_START for each in found):
            continue
        ids = [each for driver in drivers for each in driver.hardware_ids]
        if _denied(windows, ids, _CLASSES.get(controller, ())):
            yield controller


def _new_nics(windows: WindowsFacts, target: TargetProfile) -> Iterator[Nic]:
    for nic in target.nics:
        driver = hardware.NETWORK[nic]
        in_use = not driver.in_box and any(windows.service(name) for name in driver.services)
        if not in_use and _denied(windows, driver.hardware_ids, (_NET,)):
            yield nic


def _denied(windows: WindowsFacts, ids: Sequence[str], classes: Sequence[str]) -> bool:
    policy = windows.driver_policy
    denied_classes = {each.casefold() for each in policy.denied_classes}
    if denied_classes.intersection(classes):
        return True
    return any(_same_device(denied, each) for denied in policy.denied_ids for each in ids)


def _same_device(one: str, other: str) -> bool:
    r"""A device has ids from `PCI\VEN_x` to `...&SUBSYS_..&REV_..`: each extends a shorter one."""
    shorter, longer = sorted((one.casefold(), other.casefold()), key=len)
    return longer == shorter or longer.startswith(f"{shorter}&")


def _foreign_tools(inspection: Inspection, target: TargetProfile) -> Iterator[Finding]:
    installed = inspection.windows.installed if inspection.windows else ()
    foreign = tools.foreign(target.target)
    for product in installed:
        if not any(vendor.owns(product) for vendor in foreign):
            continue
        data = {"product": product.name}
        if PRODUCT_CODE.search(f"{product.key} {product.uninstall or ''}"):
            yield Finding(
                "guest.foreign-tools",
                Severity.INFO,
                f"{product.name} belongs to another platform; the first boot removes it.",
                "Nothing to do.",
                data,
            )
        else:
            yield Finding(
                "guest.foreign-tools-stay",
                Severity.WARNING,
                f"{product.name} belongs to another platform and cannot be removed unattended: "
                "its services are disabled, the program stays.",
                "Uninstall it in the master machine, or after the migration.",
                data,
            )


_RULES: Final[tuple[Callable[[Inspection, TargetProfile], Iterator[Finding]], ...]] = (
    _import_space,
    _forbidden_devices,
    _foreign_tools,
)
