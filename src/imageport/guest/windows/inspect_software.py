"""Installed programs, and among them what matters: guest tools, agents, Citrix, antivirus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from imageport.guest.guest import Guest
from imageport.guest.windows import software, tools
from imageport.guest.windows.places import SERVICES, UNINSTALL
from imageport.guest.windows.registry import Registry
from imageport.guest.windows.software import Known
from imageport.model.guest import Product
from imageport.model.guest_facts import InstalledProduct
from imageport.model.windows_facts import CitrixComponent, CitrixPart, GuestAgent

_CITRIX_VDA = r"SOFTWARE\Citrix\VirtualDesktopAgent"
_VERSION_IN_PATH = re.compile(r"_(\d+(?:\.\d+){2,3})")
_MODULE_VERSION = re.compile(r"ModuleVersion\s*=\s*['\"]([\d.]+)['\"]")


def installed(registry: Registry) -> Iterator[InstalledProduct]:
    """Windows' list of installed programs, 64-bit and 32-bit."""
    for place in UNINSTALL:
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


def products(found: Sequence[InstalledProduct]) -> Iterator[Product]:
    """Those that matter to a migration."""
    for product in found:
        vendor = next((each for each in tools.VENDORS if each.owns(product)), None)
        if vendor:
            yield Product(vendor.kind, product.name, product.version, vendor.name)
        elif any(known.owns(product) for known in software.CITRIX.values()):
            yield Product("vda", product.name, product.version, product.publisher)


def agents(
    guest: Guest, registry: Registry, found: Sequence[InstalledProduct]
) -> Iterator[GuestAgent]:
    """Platforms' agents, also those that no list of programs knows."""
    for known in software.AGENTS:
        product = next((each for each in found if known.owns(each)), None)
        services = [registry.key(rf"{SERVICES}\{name}") for name in known.services]
        service = next((key for key in services if key), None)
        files = [place for place in map(guest.find, known.files) if place]
        if product is None and service is None and not files:
            continue
        version = product.version if product else None
        if version is None and service:
            image = _VERSION_IN_PATH.search(service.text("ImagePath") or "")
            version = image[1] if image else None
        if version is None and files:
            named = _MODULE_VERSION.search(files[0].read_text(errors="replace"))
            version = named[1] if named else None
        start = service.number("Start") if service else None
        yield GuestAgent(known.name, known.vendor, version, start)


def citrix(registry: Registry, found: Sequence[InstalledProduct]) -> Iterator[CitrixComponent]:
    """The parts of Citrix's software, by its product or, without one, by its service."""
    target_device = software.CITRIX[CitrixPart.PVS_TARGET]
    streamed = any(map(target_device.owns, found)) or _has_service(registry, target_device)
    for part, known in software.CITRIX.items():
        product = next((each for each in found if known.owns(each)), None)
        # The target device brings the driver of MCS' storage optimisation, too.
        shared = part is CitrixPart.MCSIO and streamed
        if product:
            yield CitrixComponent(CitrixPart(part), product.name, product.version)
        elif not shared and _has_service(registry, known):
            yield CitrixComponent(CitrixPart(part), known.name, None)


def controllers(registry: Registry) -> tuple[str, ...]:
    """`ListOfDDCs`: delivery controllers or Cloud Connectors, separated by spaces."""
    key = registry.key(_CITRIX_VDA)
    return tuple(((key.text("ListOfDDCs") if key else None) or "").split())


def antivirus(registry: Registry) -> Iterator[str]:
    """By services; Windows' own antivirus is part of every Windows and not among them."""
    for known in software.ANTIVIRUS:
        if _has_service(registry, known):
            yield known.name


def _has_service(registry: Registry, known: Known) -> bool:
    return any(registry.key(rf"{SERVICES}\{name}") for name in known.services)
