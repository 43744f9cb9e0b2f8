r"""The drivers of the target's disk controllers are loaded at boot.

Windows 8 and newer find a boot device's driver through `SYSTEM\DriverDatabase`; it then has to be
among those that the boot loader has loaded: `Start` 0, and no `StartOverride` (which the plug and
play manager writes for devices that were never there, and which defeats `Start`). A driver that is
not in the database is staged: its file, its service, and the least package that the database needs
to lead to it. Its full installation follows in the first boot.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imageport.guest.errors import DriverLibraryError
from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.fixups.windows.driver_package import install_step, stage_package
from imageport.guest.session import Session
from imageport.guest.windows import driver_library
from imageport.guest.windows.edits import DropKey, SetValue, copy_in
from imageport.guest.windows.hardware import SCSI_ADAPTER, StorageDriver, storage
from imageport.guest.windows.places import DATABASE, SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, Check, OsFamily
from imageport.model.guest_facts import WindowsService
from imageport.model.target import Controller, Target

_PACKAGE_VERSION: Final = (
    bytes.fromhex("00ff090000000000") + uuid.UUID(SCSI_ADAPTER).bytes_le + bytes(24)
)
"""A package's `Version`: x64, the device class, no date and no version."""
_BEST_MATCH: Final = bytes.fromhex("01ff0000")
_BOOT: Final = Value.from_dword("Start", 0)


class BootStorage(FixUp):
    """In-box and installed drivers are enabled; others are staged from the driver library."""

    name = "boot-storage"
    family = OsFamily.WINDOWS
    order = 10

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """Controllers whose driver is neither in the image nor in the driver library."""
        lacking = [each for each in task.target.controllers if not _reachable(task, each)]
        usable = [each for each in task.target.controllers if each not in lacking]
        lost = not usable or (
            task.target.target is not Target.PVS and task.target.controllers[0] in lacking
        )
        return tuple(_no_driver(task, each, lost=lost) for each in lacking)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Registry values of every driver that is in the image or will be staged."""
        edits: list[Edit] = []
        for driver in _drivers(task):
            if driver in _to_stage(task):
                edits += _staged(driver)
            elif _present(task, driver):
                edits += _enabled(task, driver)
        return tuple(edits)

    def steps(self, task: Task) -> tuple[Step, ...]:
        """Staged drivers are installed properly in the first boot."""
        names = [driver.service for driver in _to_stage(task)]
        return (install_step("storage-drivers", names),) if names else ()

    def plan(self, task: Task) -> tuple[Change, ...]:
        """The files of staged drivers, then the registry."""
        files = tuple(
            Change(
                self.name,
                f"driver {driver.service} of the driver library",
                _file(driver),
                None,
                f"{driver.service}.sys for {driver_library.windows_folders(task.windows)[0]}",
            )
            for driver in _to_stage(task)
            if not _present(task, driver)
        )
        edits = (e for d in _to_enable(task) for e in _enabled(task, d))
        enabled = (edit.change(task, self.name) for edit in edits)
        return (*files, *_staging(self.name, task), *(change for change in enabled if change))

    def library_files(self, task: Task) -> tuple[Path, ...]:
        """The packages of staged drivers."""
        library = task.options.drivers or ""
        found = (
            driver_library.find(library, driver.hardware_ids, task.windows)
            for driver in _to_stage(task)
        )
        return tuple(file for each in found if each and each.driver for file in each.files)

    def apply(self, session: Session, task: Task) -> None:
        """Copy the files of staged drivers, then write the registry."""
        for driver in _to_stage(task):
            package = driver_library.find(
                task.options.drivers or "", driver.hardware_ids, task.windows
            )
            if package is None or package.driver is None:
                if _required(task, driver):
                    raise _not_in_library(task, driver)
                continue
            copy_in(session, package.driver, _file(driver))
            stage_package(session, package, driver.service)
            for edit in _staged(driver):
                edit.apply(session)
        for driver in _to_enable(task):
            for edit in _enabled(task, driver):
                edit.apply(session)

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """The registry values, and the files that they need."""
        checks: list[Check] = []
        for driver in _to_enable(task):
            checks += (edit.check(session, self.name) for edit in _enabled(task, driver))
        for driver in _to_stage(task):
            if not _in_library(task, driver):
                continue
            checks += (edit.check(session, self.name) for edit in _staged(driver))
            there = session.guest.find(_file(driver)) is not None
            seen = f"{_file(driver)}: {'there' if there else 'missing'}"
            checks.append(Check(self.name, f"driver {driver.service}", there, seen))
        return tuple(checks)


def _drivers(task: Task) -> tuple[StorageDriver, ...]:
    """Each once, although several controllers may need it."""
    listed = (driver for each in task.target.controllers for driver in _needed(task, each))
    return tuple(dict.fromkeys(listed))


def _needed(task: Task, controller: Controller) -> tuple[StorageDriver, ...]:
    return storage(task.target.target, controller)


def _to_stage(task: Task) -> tuple[StorageDriver, ...]:
    """Drivers for the library to give: absent, or staged before and never installed since."""
    if not task.options.drivers:
        return ()
    return tuple(d for d in _drivers(task) if not d.in_box and not _installed(task, d))


def _to_enable(task: Task) -> tuple[StorageDriver, ...]:
    staged = _to_stage(task)
    return tuple(d for d in _drivers(task) if d not in staged and _present(task, d))


def _file(driver: StorageDriver) -> str:
    return rf"Windows\System32\drivers\{driver.service}.sys"


def _service(task: Task, driver: StorageDriver) -> WindowsService | None:
    """The service that the database names for the driver's devices, or the one of its name."""
    ids = {each.casefold() for each in driver.hardware_ids}
    for match in task.windows.device_drivers:
        if match.hardware_id.casefold() in ids:
            return task.windows.service(match.service)
    return task.windows.service(driver.service) if driver.in_box else None


def _present(task: Task, driver: StorageDriver) -> bool:
    service = _service(task, driver)
    return service is not None and service.image_exists


def _installed(task: Task, driver: StorageDriver) -> bool:
    """True when a package other than our own leads to the driver."""
    ids = {each.casefold() for each in driver.hardware_ids}
    infs = {m.inf for m in task.windows.device_drivers if m.hardware_id.casefold() in ids}
    return _present(task, driver) and bool(infs - {_inf(driver)})


def _in_library(task: Task, driver: StorageDriver) -> bool:
    if not task.options.drivers or driver.in_box:
        return False
    package = driver_library.find(task.options.drivers, driver.hardware_ids, task.windows)
    return package is not None and package.driver is not None


def _reachable(task: Task, controller: Controller) -> bool:
    """True when all drivers of the controller are in the image or can be staged.

    Of an IDE controller's two drivers either will do: which of them binds depends on the chip.
    """
    found = [_present(task, d) or _in_library(task, d) for d in _needed(task, controller)]
    if controller in (Controller.IDE, Controller.XEN):
        return any(found[:2]) and found[2]
    return all(found)


def _required(task: Task, driver: StorageDriver) -> bool:
    usual = _needed(task, task.target.controllers[0])
    return task.target.target is not Target.PVS and driver in usual


def _enabled(task: Task, driver: StorageDriver) -> list[Edit]:
    service = _service(task, driver)
    assert service  # noqa: S101 - only asked for drivers that are present
    key = f"{SERVICES}\\{service.name}"
    what = f"driver {service.name} is loaded at boot"
    edits: list[Edit] = [SetValue(key, _BOOT, what, f"dword:{service.start}")]
    if service.start_override:
        edits.append(DropKey(f"{key}\\StartOverride", f"nothing overrides {service.name}'s start"))
    return edits


def _staged(driver: StorageDriver) -> list[Edit]:
    """Service and synthetic package of a driver that the database does not know."""
    name = driver.service
    inf, configuration = _inf(driver), f"{name}_imageport"
    label = f"{inf}_amd64_0000000000000000"
    key, package = f"{SERVICES}\\{name}", f"{DATABASE}\\DriverPackages\\{label}"
    what = f"service of driver {name}"
    known = f"driver database leads to {name}"
    file = f"{DATABASE}\\DriverInfFiles\\{inf}"
    chosen = f"{package}\\Configurations\\{configuration}"
    values = [
        (key, Value.from_dword("Type", 1), what),
        (key, _BOOT, what),
        (key, Value.from_dword("ErrorControl", 1), what),
        (key, Value.from_text("Group", "SCSI miniport"), what),
        (key, Value.from_text("ImagePath", rf"System32\drivers\{name}.sys", expand=True), what),
        (file, Value.from_strings("", [label]), known),
        (file, Value.from_text("Active", label), known),
        (file, Value.from_strings("Configurations", [configuration]), known),
        (package, Value.from_binary("Version", _PACKAGE_VERSION), known),
        (chosen, Value.from_dword("ConfigFlags", 0), known),
        (chosen, Value.from_text("Service", name), known),
    ]
    for device in driver.hardware_ids:
        match = f"{DATABASE}\\DeviceIds\\{device}"
        descriptor = f"{package}\\Descriptors\\{device}"
        values.append((match, Value.from_binary(inf, _BEST_MATCH), known))
        values.append((descriptor, Value.from_text("Configuration", configuration), known))
    return [SetValue(place, value, why) for place, value, why in values]


def _staging(fixup: str, task: Task) -> Iterator[Change]:
    """What staging writes into the registry: one change for the service, one for the database."""
    for driver in _to_stage(task):
        name = driver.service
        if _present(task, driver):
            continue
        key, found = f"{SERVICES}\\{name}", f"{DATABASE}\\DeviceIds\\{driver.hardware_ids[0]}"
        yield Change(fixup, f"service of driver {name}, loaded at boot", key, None, "Start=0")
        yield Change(fixup, f"driver database leads to {name}", found, None, _inf(driver))


def _inf(driver: StorageDriver) -> str:
    return f"imageport-{driver.service}.inf"


def _no_driver(task: Task, controller: Controller, *, lost: bool) -> Finding:
    drivers = _needed(task, controller)
    vendor = drivers[-1].vendor
    names = ", ".join(driver.service for driver in drivers)
    usual = controller is task.target.controllers[0] or task.target.target is Target.PVS
    get = {
        "virtio-win": "Get the virtio-win ISO (https://fedorapeople.org/groups/virt/virtio-win/)"
        " and give its content with --drivers.",
        "VMware": "Give a folder with VMware's pvscsi driver (of VMware Tools) with --drivers.",
    }
    return Finding(
        "guest.no-controller-driver",
        Severity.BLOCKER if lost and usual else Severity.WARNING,
        f"The image has no driver ({names}) for the disk controller {controller}.",
        get.get(vendor, "Repair Windows in the source machine: this driver is part of it."),
        {"controller": str(controller), "vendor": vendor},
    )


def _not_in_library(task: Task, driver: StorageDriver) -> DriverLibraryError:
    return DriverLibraryError(
        library=Path(task.options.drivers or "").name,
        driver=driver.service,
        windows=task.inspection.name,
        detail=f"no INF for x64 names {driver.hardware_ids[0]}",
    )
