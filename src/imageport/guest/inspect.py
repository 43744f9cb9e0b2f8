"""Inspection: everything a plan needs to know of a guest, gathered in one look at its disk."""

from __future__ import annotations

import os
from dataclasses import replace

from imageport.guest import esp, fixups
from imageport.guest.errors import UnsupportedOsError
from imageport.guest.guest import Guest
from imageport.guest.linux import inspect as linux
from imageport.guest.volumes import ESP_TYPES
from imageport.guest.windows import inspect as windows
from imageport.guest.windows import ntfs
from imageport.model.findings import Finding, Severity
from imageport.model.guest import BootDriver, Inspection, OsFamily, Volume
from imageport.model.guest_facts import LinuxFacts

_LOW_SPACE = {OsFamily.WINDOWS: 1 << 30, OsFamily.LINUX: 256 << 20}
"""Bytes on the system volume below which a first boot may fail."""


def inspect(guest: Guest) -> Inspection:
    """What is inside `guest`. Raises `UnsupportedOsError`, and the errors of damaged hives."""
    guest = replace(guest, volumes=tuple(_measured(guest, each) for each in guest.volumes))
    found = _windows(guest) if guest.family is OsFamily.WINDOWS else _linux(guest)
    findings = (*found.findings, *_space(guest))
    return replace(found, esp_files=esp.list_loaders(guest), findings=findings)


def _watched(family: OsFamily) -> tuple[str, ...]:
    listed = (path for each in fixups.in_order(family) for path in each.watches)
    return tuple(dict.fromkeys(listed))


def _windows(guest: Guest) -> Inspection:
    return windows.inspection(guest, _watched(OsFamily.WINDOWS))


def _linux(guest: Guest) -> Inspection:
    identity = linux.release(guest)
    name = identity.get("PRETTY_NAME") or identity.get("NAME") or "Linux"
    machine = linux.architecture(guest)
    facts = linux.facts(guest, _watched(OsFamily.LINUX))
    if facts.initramfs_tool is None:
        raise UnsupportedOsError(name=name, reason="it has no known tool that makes an initramfs")
    hostname = linux.text_of(guest, "/etc/hostname")
    return Inspection(
        family=OsFamily.LINUX,
        name=name,
        version=identity.get("VERSION_ID", ""),
        architecture=machine,
        hostname=hostname.strip() or None if hostname else None,
        firmware=guest.firmware,
        root=guest.device,
        volumes=guest.volumes,
        boot_drivers=_boot_drivers(facts),
        products=linux.products(guest),
        network=tuple(
            " ".join((each.name, each.method, *each.addresses)) for each in facts.interfaces
        ),
        findings=(),
        details=_details(guest, facts),
        linux=facts,
    )


def _details(guest: Guest, facts: LinuxFacts) -> dict[str, str]:
    return {
        "distribution": facts.distribution,
        "kernels": " ".join(kernel.version for kernel in facts.kernels),
        "initramfs": facts.initramfs_tool or "none known",
        "network-manager": facts.network_manager or "none known",
        "boot-loader": facts.boot_loader or "none known",
        "selinux": facts.selinux or "none",
        "root": " ".join((guest.device, *guest.root_options)),
    }


def _boot_drivers(facts: LinuxFacts) -> tuple[BootDriver, ...]:
    """The newest kernel's drivers, and whether they are there when the root is mounted."""
    if not facts.kernels:
        return ()
    kernel = facts.kernels[-1]
    built_in = [BootDriver(name, True, "built in") for name in kernel.builtin]
    held = [
        BootDriver(
            name,
            name in kernel.initramfs_modules,
            "in the initramfs" if name in kernel.initramfs_modules else "not in the initramfs",
        )
        for name in kernel.modules
    ]
    return tuple(sorted((*built_in, *held), key=lambda driver: driver.name))


def _free(path: os.PathLike[str]) -> int:
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def _measured(guest: Guest, volume: Volume) -> Volume:
    """What is mounted says itself how much is free; another NTFS is asked by its records."""
    parts = {guest.device: guest.root, **dict(guest.parts)}
    if volume.device in parts:
        return replace(volume, free=_free(parts[volume.device]))
    if guest.esp and (volume.partition_type or "").lower() in ESP_TYPES:
        return replace(volume, free=_free(guest.esp))
    if volume.kind == "ntfs":
        device = volume.device
        return replace(volume, free=ntfs.free_bytes(device), dirty=ntfs.is_dirty(device))
    return volume


def _space(guest: Guest) -> tuple[Finding, ...]:
    free, wanted = _free(guest.root), _LOW_SPACE[guest.family]
    if free >= wanted:
        return ()
    return (
        Finding(
            "guest.low-space",
            Severity.WARNING,
            f"The system volume has {free >> 20} MiB free; {wanted >> 20} MiB are advisable.",
            "Free space in the master machine, or enlarge its disk.",
            {"free": free, "wanted": wanted},
        ),
    )
