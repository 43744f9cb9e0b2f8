"""Drivers: services, the driver database, class filters, and what is loaded at boot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imageport.guest.guest import Guest
from imageport.guest.windows import hardware, tools
from imageport.guest.windows.places import (
    CLASSES,
    DATABASE,
    SAVED_FILTERS,
    SAVED_START,
    SERVICES,
)
from imageport.guest.windows.registry import Registry
from imageport.guest.windows.software import PVS_DRIVERS
from imageport.model.guest import BootDriver
from imageport.model.guest_facts import ClassFilter, DeviceDriver, WindowsService
from imageport.model.windows_facts import DriverPackage

_BOOT_START: Final = 0
_DRIVER_TYPES: Final = (1, 2)
"""Kernel driver, file system driver."""


def services(guest: Guest, registry: Registry) -> Iterator[WindowsService]:
    """The services that fix-ups care for, as far as they are installed."""
    found = {driver.service for driver in device_drivers(registry)}
    filters = {name for listed in class_filters(registry) for name in listed.drivers}
    names = {*hardware.services(), *tools.services(), *found, *filters, *PVS_DRIVERS}
    for name in sorted({name.casefold() for name in names}):
        service = service_of(guest, registry, name)
        if service:
            yield service


def service_of(guest: Guest, registry: Registry, name: str) -> WindowsService | None:
    """The driver or service `name`; None when there is none."""
    key = registry.key(f"{SERVICES}\\{name}")
    if key is None:
        return None
    image = key.text("ImagePath")
    override = key.key("StartOverride")
    return WindowsService(
        name=key.name,
        start=key.number("Start"),
        kind=key.number("Type"),
        image=image,
        image_exists=driver_file(guest, image or f"System32\\drivers\\{name}.sys"),
        start_override=override is not None,
        saved_start=key.number(SAVED_START),
    )


def driver_file(guest: Guest, image: str) -> bool:
    """True when the file of a driver's `ImagePath` is there."""
    path = image.strip('"')
    for prefix in ("\\SystemRoot\\", "%SystemRoot%\\", "\\??\\C:\\Windows\\", "C:\\Windows\\"):
        if path.casefold().startswith(prefix.casefold()):
            path = path[len(prefix) :]
    return guest.find(f"Windows\\{path}") is not None


def device_drivers(registry: Registry) -> Iterator[DeviceDriver]:
    """Follow the driver database: device id -> INF -> active package -> configuration."""
    for hardware_id in hardware.hardware_ids():
        infs = registry.key(f"{DATABASE}\\DeviceIds\\{hardware_id}")
        for value in infs.values() if infs else ():
            service = _service_of(registry, value.name, hardware_id)
            if service:
                yield DeviceDriver(hardware_id, value.name, service)


def _service_of(registry: Registry, inf: str, hardware_id: str) -> str | None:
    file = registry.key(f"{DATABASE}\\DriverInfFiles\\{inf}")
    label = file.text("Active") if file else None
    package = registry.key(f"{DATABASE}\\DriverPackages\\{label}") if label else None
    if package is None:
        return None
    descriptor = package.key(f"Descriptors\\{hardware_id}")
    name = descriptor.text("Configuration") if descriptor else None
    configuration = package.key(f"Configurations\\{name}") if name else None
    return configuration.text("Service") if configuration else None


def driver_packages(registry: Registry) -> Iterator[DriverPackage]:
    """The packages that setup renamed to `oemN.inf`: those that did not come with Windows."""
    for file in registry.subkeys(rf"{DATABASE}\DriverInfFiles"):
        label = file.text("Active") if file.name.casefold().startswith("oem") else None
        if label is not None:
            package = registry.key(rf"{DATABASE}\DriverPackages\{label}")
            yield DriverPackage(file.name, label, package.text("Provider") if package else None)


def class_filters(registry: Registry) -> Iterator[ClassFilter]:
    """The device classes that have filter drivers, or had some before a preparation."""
    for device_class in registry.subkeys(CLASSES):
        for name in ("UpperFilters", "LowerFilters"):
            drivers = device_class.strings(name) or ()
            saved = device_class.strings(f"{SAVED_FILTERS}{name}") or ()
            if drivers or saved:
                yield ClassFilter(device_class.name, name, drivers, saved)


def boot_start(registry: Registry) -> Iterator[str]:
    """The drivers that the loader itself reads, before any driver runs."""
    for key in registry.subkeys(SERVICES):
        if key.number("Start") == _BOOT_START and key.number("Type") in _DRIVER_TYPES:
            yield key.name


def boot_drivers(found: Sequence[WindowsService]) -> tuple[BootDriver, ...]:
    """Of the services, the storage drivers: whether each would be loaded at boot."""
    storage = {driver.service.casefold() for driver in hardware.storage_drivers()}
    return tuple(
        BootDriver(
            each.name,
            each.start == 0 and not each.start_override and each.image_exists,
            f"Start={each.start}"
            + (", StartOverride" if each.start_override else "")
            + ("" if each.image_exists else ", its file is missing"),
        )
        for each in found
        if each.name.casefold() in storage
    )
