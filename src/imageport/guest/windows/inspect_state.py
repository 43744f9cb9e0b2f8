r"""The state that Windows was left in: setup, updates, restarts, hibernation, page files."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Iterator
from typing import Final

from imageport.guest.guest import Guest
from imageport.guest.windows.hive import Key
from imageport.guest.windows.overlay import is_compressed
from imageport.guest.windows.places import (
    CONTROL,
    CURRENT,
    SERVICES,
    SESSION_MANAGER,
    SETUP,
    VERSION,
)
from imageport.guest.windows.registry import Registry
from imageport.model.windows_facts import PageFile, SetupState, WindowsState

_SERVICING: Final = rf"{CURRENT}\Component Based Servicing"
_RESTART_KEYS: Final = (
    rf"{_SERVICING}\RebootPending",
    rf"{CURRENT}\WindowsUpdate\Auto Update\RebootRequired",
)
_RENAMES: Final = ("PendingFileRenameOperations", "PendingFileRenameOperations2")
_PENDING_FILE: Final = r"Windows\WinSxS\pending.xml"
"""What the next boot has to do of an update (`poqexec`) before anything else runs."""
_AUTOMATIC: Final = 2
_MEMORY_FILE: Final = "hiberfil.sys"
_COMPRESSED: Final = (r"Windows\System32\ntoskrnl.exe", r"Windows\explorer.exe")
_PAGE_FILE: Final = re.compile(r"(.+?)(?: (\d+) (\d+))?")
_GPT_DRIVE: Final = b"DMIO:ID:"
"""How `MountedDevices` begins a drive on a GPT disk; the partition's GUID follows."""
_MBR_DRIVE: Final = 12
"""Bytes of a drive on an MBR disk: signature (32 bits), the partition's offset (64 bits)."""


def state(guest: Guest, registry: Registry) -> WindowsState:
    """Everything but the page files."""
    power = registry.key(rf"{CONTROL}\Power")
    asleep = _number(power, "HibernateEnabled")
    if asleep is None:
        asleep = _number(power, "HibernateEnabledDefault")
    quick = _number(registry.key(rf"{SESSION_MANAGER}\Power"), "HiberbootEnabled")
    # Without its file hibernation is off whatever the values say, as on every server.
    hibernation = bool(asleep) and guest.find(_MEMORY_FILE) is not None
    programs = [place for place in map(guest.find, _COMPRESSED) if place]
    return WindowsState(
        setup=_setup(registry),
        pending_updates=tuple(_pending_updates(guest, registry)),
        pending_restart=tuple(_pending_restart(registry)),
        hibernation=hibernation,
        fast_startup=hibernation and bool(quick),
        compact_os=any(is_compressed(place) for place in programs),
        portable=bool(_number(registry.key(CONTROL), "PortableOperatingSystem")),
    )


def _setup(registry: Registry) -> SetupState:
    """By `ImageState` ("Windows Setup States", Microsoft) and by what setup itself goes by."""
    image = registry.key(rf"{CURRENT}\Setup\State")
    said = (image.text("ImageState") if image else None) or "IMAGE_STATE_COMPLETE"
    setup = registry.key(SETUP)
    if said.endswith("RESEAL_TO_AUDIT") or _number(registry.key(rf"{SETUP}\Status"), "AuditBoot"):
        return SetupState.AUDIT
    if said.endswith("RESEAL_TO_OOBE"):
        return SetupState.GENERALIZED
    running = _number(setup, "SystemSetupInProgress") or _number(setup, "OOBEInProgress")
    complete = said == "IMAGE_STATE_COMPLETE" and not running
    return SetupState.COMPLETE if complete else SetupState.UNFINISHED


def _pending_updates(guest: Guest, registry: Registry) -> Iterator[str]:
    """Updates of which a part is installed, the rest is left to the next boot."""
    if guest.find(_PENDING_FILE) is not None:
        yield _PENDING_FILE
    if registry.key(rf"{_SERVICING}\PackagesPending") is not None:
        yield rf"{_SERVICING}\PackagesPending"
    manager = registry.key(SESSION_MANAGER)
    if any("poqexec" in each.casefold() for each in _strings(manager, "SetupExecute")):
        yield rf"{SESSION_MANAGER}\SetupExecute"


def _pending_restart(registry: Registry) -> Iterator[str]:
    yield from (key for key in _RESTART_KEYS if registry.key(key) is not None)
    manager = registry.key(SESSION_MANAGER)
    for name in _RENAMES:
        if _strings(manager, name):
            yield rf"{SESSION_MANAGER}\{name}"
    # Servicing sets its own service from manual to automatic until it has finished after a boot.
    if _number(registry.key(rf"{SERVICES}\TrustedInstaller"), "Start") == _AUTOMATIC:
        yield rf"{SERVICES}\TrustedInstaller\Start"


def page_files(guest: Guest, registry: Registry) -> Iterator[PageFile]:
    r"""`PagingFiles`: `C:\pagefile.sys 1024 4096`; `?:` and no sizes leave it to Windows."""
    memory = registry.key(rf"{SESSION_MANAGER}\Memory Management")
    here = {"?:", *_drives_here(guest, registry)}
    for entry in _strings(memory, "PagingFiles"):
        parts = _PAGE_FILE.fullmatch(entry)
        path, *sizes = parts.groups() if parts else (entry, None, None)
        initial, maximum = (int(size) if size else None for size in sizes)
        yield PageFile(path, initial, maximum, path[:2].upper() in here)


def system_drive(registry: Registry) -> str:
    """The letter that Windows gives its own volume."""
    root = registry.key(VERSION)
    return ((root.text("SystemRoot") if root else None) or "C:")[:2].upper()


def _drives_here(guest: Guest, registry: Registry) -> Iterator[str]:
    """The drive letters of this disk's volumes: the system's own, and those Windows remembers."""
    yield system_drive(registry)
    mounted = registry.key(r"SYSTEM\MountedDevices")
    for value in mounted.values() if mounted else ():
        if value.name.startswith("\\DosDevices\\") and _is_here(guest, value.data):
            yield value.name.removeprefix("\\DosDevices\\").upper()


def _is_here(guest: Guest, drive: bytes) -> bool:
    if drive.startswith(_GPT_DRIVE) and len(drive) == len(_GPT_DRIVE) + 16:
        partition = str(uuid.UUID(bytes_le=drive[len(_GPT_DRIVE) :]))
        return any((v.partition_uuid or "").lower() == partition for v in guest.volumes)
    if len(drive) == _MBR_DRIVE:
        signature, offset = struct.unpack("<IQ", drive)
        named = f"{signature:08x}-"
        return any(
            v.offset == offset and (v.partition_uuid or "").lower().startswith(named)
            for v in guest.volumes
        )
    return False


def _number(key: Key | None, name: str) -> int | None:
    return key.number(name) if key else None


def _strings(key: Key | None, name: str) -> tuple[str, ...]:
    return (key.strings(name) if key else None) or ()
