"""What is inside a Windows guest, read from its hives and a few of its files.

Each `inspect_*` module beside this one reads one subject; here they are put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from imageport.guest.errors import UnsupportedArchitectureError, UnsupportedOsError
from imageport.guest.guest import Guest
from imageport.guest.windows import (
    inspect_boot,
    inspect_drivers,
    inspect_network,
    inspect_policy,
    inspect_software,
    inspect_state,
)
from imageport.guest.windows.findings import findings
from imageport.guest.windows.inspect_release import architecture, is_server, release
from imageport.guest.windows.places import BOOT_MANAGER, EMS_SETTINGS
from imageport.guest.windows.registry import Registry, rendered
from imageport.model.guest import Inspection, OsFamily
from imageport.model.guest_facts import TcpInterface, WindowsFacts
from imageport.model.windows_facts import WindowsRelease

_OLDEST_BUILD: Final = 14393
"""Windows Server 2016, and Windows 10 of the same year (1607)."""
_MACHINE: Final = "x86_64"


def inspection(guest: Guest, watched: Sequence[str]) -> Inspection:
    r"""Inspect; `watched` are the values (`KEY\Name`) that fix-ups ask for.

    Raises `UnsupportedOsError`, and the errors of damaged hives.
    """
    with closing(Registry(guest, writable=False)) as registry:
        which = release(registry)
        machine = architecture(guest, registry)
        _refuse_unsupported(which, machine)
        facts = _facts(guest, registry, which, watched)
        hostname = inspect_network.host_name(registry)
    found = Inspection(
        family=OsFamily.WINDOWS,
        name=_name(which),
        version=f"10.0.{which.build}",
        architecture=machine,
        hostname=hostname,
        firmware=guest.firmware,
        root=guest.device,
        volumes=guest.volumes,
        boot_drivers=inspect_drivers.boot_drivers(facts.services),
        products=tuple(inspect_software.products(facts.installed)),
        network=tuple(_line(each) for each in facts.interfaces),
        findings=(),
        windows=facts,
    )
    return replace(found, findings=findings(found))


def _line(interface: TcpInterface) -> str:
    method = "dhcp" if interface.dhcp else "static"
    return " ".join((interface.guid, method, *interface.addresses))


def _refuse_unsupported(which: WindowsRelease, machine: str) -> None:
    if machine != _MACHINE:
        raise UnsupportedArchitectureError(name=_name(which), machine=machine)
    if which.build < _OLDEST_BUILD:
        reason = f"build {which.build} is older than {_OLDEST_BUILD}"
        raise UnsupportedOsError(name=_name(which), reason=reason)


def _name(which: WindowsRelease) -> str:
    return f"{which.product} {which.display_version or ''}".strip()


def _facts(
    guest: Guest, registry: Registry, which: WindowsRelease, watched: Sequence[str]
) -> WindowsFacts:
    drivers = _driver_facts(guest, registry, which, watched)
    return replace(
        drivers,
        boot_start=tuple(inspect_drivers.boot_start(registry)),
        driver_packages=tuple(inspect_drivers.driver_packages(registry)),
        agents=tuple(inspect_software.agents(guest, registry, drivers.installed)),
        citrix=tuple(inspect_software.citrix(registry, drivers.installed)),
        controllers=inspect_software.controllers(registry),
        antivirus=tuple(inspect_software.antivirus(registry)),
        domain=inspect_network.domain(registry),
        page_files=tuple(inspect_state.page_files(guest, registry)),
        state=inspect_state.state(guest, registry),
        driver_policy=inspect_policy.driver_policy(registry),
        script_policy=inspect_policy.script_policy(guest, registry),
        drive=inspect_state.system_drive(registry),
        routes=inspect_network.routes(registry),
        hosts=inspect_network.hosts(guest),
    )


def _driver_facts(
    guest: Guest, registry: Registry, which: WindowsRelease, watched: Sequence[str]
) -> WindowsFacts:
    """What fix-ups go by."""
    folder = guest.find("Windows")
    entries = tuple(inspect_boot.boot_entries(registry))
    loaders = tuple(entry.identity for entry in entries)
    return WindowsFacts(
        folder=folder.name if folder else "Windows",
        control_set=registry.control_set,
        build=which.build,
        server=is_server(which.installation_type),
        services=tuple(inspect_drivers.services(guest, registry)),
        device_drivers=tuple(inspect_drivers.device_drivers(registry)),
        class_filters=tuple(inspect_drivers.class_filters(registry)),
        installed=tuple(inspect_software.installed(registry)),
        interfaces=tuple(inspect_network.interfaces(registry)),
        boot_loaders=loaders,
        registry=dict(_values(registry, watched, loaders)),
        release=which,
        boot_entries=entries,
    )


def _values(
    registry: Registry, watched: Sequence[str], loaders: Sequence[str]
) -> Iterator[tuple[str, str]]:
    seen = {path: rendered(registry.value(*path.rsplit("\\", 1))) for path in watched}
    seen.update(inspect_boot.boot_elements(registry, (*loaders, BOOT_MANAGER, EMS_SETTINGS)))
    yield from ((path, value) for path, value in seen.items() if value is not None)
