"""What is inside a Windows guest, read from its hives and a few of its files."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import closing

from imageport.guest.errors import UnsupportedOsError
from imageport.guest.guest import Guest
from imageport.guest.windows import hardware, tools
from imageport.guest.windows.hive import Key
from imageport.guest.windows.registry import Registry, rendered
from imageport.model.guest import BootDriver, Inspection, OsFamily, Product
from imageport.model.guest_facts import (
    ClassFilter,
    DeviceDriver,
    InstalledProduct,
    TcpInterface,
    WindowsFacts,
    WindowsService,
)

SERVICES = r"SYSTEM\CurrentControlSet\Services"
CLASSES = r"SYSTEM\CurrentControlSet\Control\Class"
DATABASE = r"SYSTEM\DriverDatabase"
SAVED_START = "ImageportSavedStart"
"""Value in a service's key: its `Start` before a preparation disabled it."""
_VERSION = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_UNINSTALL = (
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall",
    r"SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
)
_TCPIP = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"
_STATIC = ("IPAddress", "SubnetMask", "DefaultGateway", "DefaultGatewayMetric", "NameServer")
EMS_SETTINGS = "{0ce4991b-e6b3-4b16-b23c-5e0d9250e5d9}"
"""The boot store's object of the serial console's settings."""
_OLDEST_BUILD = 14393
_OS_LOADER = 0x10200003
"""Type of the boot store's objects that load Windows."""
_MACHINES = {0x8664: "x86_64", 0xAA64: "aarch64", 0x014C: "i386"}
_VDA = ("Virtual Delivery Agent", "Machine Identity Service Agent", "MCS IO", "MCSIO")


def inspection(guest: Guest, watched: Sequence[str]) -> Inspection:
    r"""Inspect; `watched` are the values (`KEY\Name`) that fix-ups ask for.

    Raises `UnsupportedOsError`, and the errors of damaged hives.
    """
    with closing(Registry(guest, writable=False)) as registry:
        version = _required(registry.key(_VERSION))
        build = int(version.text("CurrentBuild") or version.text("CurrentBuildNumber") or 0)
        server = (version.text("InstallationType") or "").startswith("Server")
        name = _name(version, build)
        machine = _architecture(guest)
        if build < _OLDEST_BUILD:
            raise UnsupportedOsError(name=name, reason=f"build {build} is older than 14393")
        if machine != "x86_64":
            raise UnsupportedOsError(name=name, reason=f"it is built for {machine}, not x86_64")
        facts = _facts(guest, registry, build, watched, server=server)
        parameters = registry.key(_TCPIP)
        hostname = parameters.text("Hostname") if parameters else None
        domain = (parameters.text("Domain") if parameters else None) or ""
    return Inspection(
        family=OsFamily.WINDOWS,
        name=name,
        version=f"10.0.{build}",
        architecture=machine,
        hostname=hostname,
        firmware=guest.firmware,
        root=guest.device,
        volumes=guest.volumes,
        boot_drivers=_boot_drivers(facts),
        products=tuple(_products(facts.installed)),
        network=tuple(
            " ".join((each.guid, "dhcp" if each.dhcp else "static", *each.addresses))
            for each in facts.interfaces
        ),
        findings=(),
        details={
            "build": str(build),
            "control-set": facts.control_set,
            "domain": domain,
            "drivers-in-database": str(len(facts.device_drivers)),
        },
        windows=facts,
    )


def _required(version: Key | None) -> Key:
    if version is None:
        raise UnsupportedOsError(name="This Windows", reason="its version is not in its registry")
    return version


def _name(version: Key, build: int) -> str:
    """Windows 11 still calls itself Windows 10 in this value."""
    name = version.text("ProductName") or "Windows"
    client = not (version.text("InstallationType") or "").startswith("Server")
    if client and build >= 22000:
        name = name.replace("Windows 10", "Windows 11")
    release = version.text("DisplayVersion") or ""
    return f"{name} {release}".strip()


def _architecture(guest: Guest) -> str:
    """The machine of the kernel's (or the shell's) program file (PE/COFF, section 3.3.1)."""
    for path in (r"Windows\System32\ntoskrnl.exe", r"Windows\System32\cmd.exe",
                 r"Windows\explorer.exe"):  # fmt: skip
        place = guest.find(path)
        if place is not None:
            return pe_machine(place.read_bytes()[:4096])
    raise UnsupportedOsError(name="This Windows", reason="its kernel is missing")


def pe_machine(head: bytes) -> str:
    """`x86_64`, `aarch64`, `i386` or `unknown`, by the first bytes of a program."""
    if head[:2] != b"MZ" or len(head) < 0x40:
        return "unknown"
    (offset,) = struct.unpack_from("<I", head, 0x3C)
    if head[offset : offset + 4] != b"PE\0\0":
        return "unknown"
    (machine,) = struct.unpack_from("<H", head, offset + 4)
    return _MACHINES.get(machine, "unknown")


def _facts(
    guest: Guest, registry: Registry, build: int, watched: Sequence[str], *, server: bool
) -> WindowsFacts:
    folder = guest.find("Windows")
    loaders = tuple(_boot_loaders(registry))
    values = {path: rendered(registry.value(*path.rsplit("\\", 1))) for path in watched}
    values.update(_boot_elements(registry, (*loaders, EMS_SETTINGS)))
    return WindowsFacts(
        folder=folder.name if folder else "Windows",
        control_set=registry.control_set,
        build=build,
        server=server,
        services=tuple(_services(guest, registry)),
        device_drivers=tuple(_device_drivers(registry)),
        class_filters=tuple(_class_filters(registry)),
        installed=tuple(_installed(registry)),
        interfaces=tuple(_interfaces(registry)),
        boot_loaders=loaders,
        registry={path: value for path, value in values.items() if value is not None},
    )


def _services(guest: Guest, registry: Registry) -> Iterator[WindowsService]:
    found = {driver.service for driver in _device_drivers(registry)}
    names = {*hardware.services(), *tools.services(), *found}
    for name in sorted(names, key=str.casefold):
        key = registry.key(f"{SERVICES}\\{name}")
        if key is None:
            continue
        image = key.text("ImagePath")
        override = key.key("StartOverride")
        yield WindowsService(
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


def _device_drivers(registry: Registry) -> Iterator[DeviceDriver]:
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


def _class_filters(registry: Registry) -> Iterator[ClassFilter]:
    for device_class in registry.subkeys(CLASSES):
        for name in ("UpperFilters", "LowerFilters"):
            drivers = device_class.strings(name)
            if drivers:
                yield ClassFilter(device_class.name, name, drivers)


def _installed(registry: Registry) -> Iterator[InstalledProduct]:
    for place in _UNINSTALL:
        for key in registry.subkeys(place):
            name = key.text("DisplayName")
            if name:
                yield InstalledProduct(
                    name=name,
                    version=key.text("DisplayVersion"),
                    publisher=key.text("Publisher"),
                    key=key.name,
                    uninstall=key.text("UninstallString"),
                )


def _interfaces(registry: Registry) -> Iterator[TcpInterface]:
    for key in registry.subkeys(f"{_TCPIP}\\Interfaces"):
        left = tuple(name for name in _STATIC if key.value(name) is not None)
        addresses = tuple(a for a in key.strings("IPAddress") or () if a != "0.0.0.0")  # noqa: S104
        dhcp = key.number("EnableDHCP") != 0
        yield TcpInterface(key.name, dhcp, () if dhcp else addresses, left)


def _boot_loaders(registry: Registry) -> Iterator[str]:
    for key in registry.subkeys("BCD\\Objects"):
        description = key.key("Description")
        if description and description.number("Type") == _OS_LOADER:
            yield key.name


def _boot_elements(registry: Registry, objects: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Every element of these objects of the boot store."""
    for item in objects:
        place = rf"BCD\Objects\{item}\Elements"
        for element in registry.subkeys(place):
            value = rendered(element.value("Element"))
            yield rf"{place}\{element.name.lower()}\Element", value


def _boot_drivers(facts: WindowsFacts) -> tuple[BootDriver, ...]:
    storage = {d.service.casefold() for drivers in hardware.STORAGE.values() for d in drivers}
    return tuple(
        BootDriver(
            each.name,
            each.start == 0 and not each.start_override and each.image_exists,
            f"Start={each.start}"
            + (", StartOverride" if each.start_override else "")
            + ("" if each.image_exists else ", its file is missing"),
        )
        for each in facts.services
        if each.name.casefold() in storage
    )


def _products(installed: Sequence[InstalledProduct]) -> Iterator[Product]:
    for product in installed:
        vendor = next((each for each in tools.VENDORS if each.owns(product)), None)
        if vendor:
            yield Product(vendor.kind, product.name, product.version, vendor.name)
        elif any(word in product.name for word in _VDA):
            yield Product("vda", product.name, product.version, product.publisher)
