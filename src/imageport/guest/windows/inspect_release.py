"""Which Windows it is: release, edition, build, and the processor it is made for."""

from __future__ import annotations

import struct
from typing import Final

from imageport.guest.errors import UnsupportedOsError
from imageport.guest.guest import Guest
from imageport.guest.windows.overlay import is_compressed
from imageport.guest.windows.places import ENVIRONMENT, VERSION
from imageport.guest.windows.registry import Registry
from imageport.model.windows_facts import WindowsRelease

_MACHINES: Final = {0x8664: "x86_64", 0xAA64: "aarch64", 0x014C: "i386"}
_ENVIRONMENT_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64", "x86": "i386"}
_PROGRAMS: Final = (
    r"Windows\System32\ntoskrnl.exe",
    r"Windows\System32\cmd.exe",
    r"Windows\explorer.exe",
)
_FIRST_BUILD_OF_11: Final = 22000


def release(registry: Registry) -> WindowsRelease:
    """What the registry says; raises `UnsupportedOsError` when it says nothing."""
    key = registry.key(VERSION)
    if key is None:
        raise UnsupportedOsError(name="This Windows", reason="its version is not in its registry")
    number = key.text("CurrentBuild") or key.text("CurrentBuildNumber") or ""
    build = int(number) if number.isdecimal() else 0
    kind = key.text("InstallationType")
    product = key.text("ProductName") or "Windows"
    if build >= _FIRST_BUILD_OF_11 and not is_server(kind):
        # Microsoft never changed this value: Windows 11 still calls itself Windows 10.
        product = product.replace("Windows 10", "Windows 11")
    return WindowsRelease(
        product=product,
        edition=key.text("EditionID"),
        # Until 2009 the release was in ReleaseId, which has stood still since.
        display_version=key.text("DisplayVersion") or key.text("ReleaseId"),
        build=build,
        update_revision=key.number("UBR"),
        installation_type=kind,
    )


def is_server(installation_type: str | None) -> bool:
    """True for `Server` and `Server Core`."""
    return (installation_type or "").startswith("Server")


def architecture(guest: Guest, registry: Registry) -> str:
    """The machine of the kernel's (or a shell's) program file; where Windows keeps those
    compressed, what its environment says.
    """
    for path in _PROGRAMS:
        place = guest.find(path)
        if place is not None and not is_compressed(place):
            with place.open("rb") as program:
                return pe_machine(program.read(4096))
    environment = registry.key(ENVIRONMENT)
    named = (environment.text("PROCESSOR_ARCHITECTURE") if environment else None) or ""
    if named.casefold() not in _ENVIRONMENT_MACHINES:
        raise UnsupportedOsError(name="This Windows", reason="its kernel is missing")
    return _ENVIRONMENT_MACHINES[named.casefold()]


def pe_machine(head: bytes) -> str:
    """`x86_64`, `aarch64`, `i386` or `unknown`, by a program's first bytes (PE/COFF, 3.3.1)."""
    if head[:2] != b"MZ" or len(head) < 0x40:
        return "unknown"
    (offset,) = struct.unpack_from("<I", head, 0x3C)
    if head[offset : offset + 4] != b"PE\0\0":
        return "unknown"
    (machine,) = struct.unpack_from("<H", head, offset + 4)
    return _MACHINES.get(machine, "unknown")
