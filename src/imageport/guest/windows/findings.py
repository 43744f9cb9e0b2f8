"""What in a Windows guest would make a migration fail, or surprise, whatever the target is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imageport.guest.guest import Guest
from imageport.guest.windows.registry import Registry
from imageport.model.findings import Finding, Severity

_DYNAMIC_DISK_TYPES: Final = (
    "0x42",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
    "af9b60a0-1431-4f62-bc68-3311714a69ad",
)
"""MBR type and GPT types (metadata, data) of the Logical Disk Manager."""
_PENDING_KEYS: Final = (
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending",
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\PackagesPending",
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired",
)
_SESSION_MANAGER: Final = r"SYSTEM\CurrentControlSet\Control\Session Manager"
_DEVICE_POLICY: Final = r"SOFTWARE\Policies\Microsoft\Windows\DeviceInstall\Restrictions"
_DENIALS: Final = ("DenyUnspecified", "DenyDeviceIDs", "DenyDeviceClasses", "DenyRemovableDevices")
_SETUP: Final = r"SYSTEM\Setup"


def findings(guest: Guest, registry: Registry) -> tuple[Finding, ...]:
    """All rules' findings, in their order."""
    return tuple(found for rule in _RULES for found in rule(guest, registry))


def _dynamic_disk(guest: Guest, _: Registry) -> Iterator[Finding]:
    if any((v.partition_type or "").lower() in _DYNAMIC_DISK_TYPES for v in guest.volumes):
        yield Finding(
            "guest.dynamic-disk",
            Severity.BLOCKER,
            "The disk is a dynamic disk; clouds and Citrix Provisioning take basic disks only.",
            "Convert the master machine's disk to a basic one, then take the image again.",
        )


def _other_encrypted_volume(guest: Guest, _: Registry) -> Iterator[Finding]:
    for volume in guest.volumes:
        if volume.kind == "bitlocker":
            yield Finding(
                "guest.bitlocker-data",
                Severity.WARNING,
                f"Partition {volume.number} is encrypted by BitLocker.",
                "Turn BitLocker off for it in the master machine if machines are to use it.",
                {"partition": volume.number},
            )


def _setup_running(_: Guest, registry: Registry) -> Iterator[Finding]:
    setup = registry.key(_SETUP)
    if setup and (setup.number("SystemSetupInProgress") or setup.number("OOBEInProgress")):
        yield Finding(
            "guest.setup-in-progress",
            Severity.BLOCKER,
            "Windows' setup has not finished in this image.",
            "Start the master machine, let setup finish, shut it down, then take the image again.",
        )


def _pending_restart(_: Guest, registry: Registry) -> Iterator[Finding]:
    pending = [key for key in _PENDING_KEYS if registry.key(key) is not None]
    manager = registry.key(_SESSION_MANAGER)
    if manager and manager.strings("PendingFileRenameOperations"):
        pending.append(rf"{_SESSION_MANAGER}\PendingFileRenameOperations")
    if pending:
        yield Finding(
            "guest.pending-restart",
            Severity.WARNING,
            "Windows waits for a restart to finish updates or installations: "
            "its first boot on the target takes longer, and may fail.",
            "Restart the master machine until nothing is pending, then take the image again.",
            {"pending": pending},
        )


def _driver_policy(_: Guest, registry: Registry) -> Iterator[Finding]:
    policy = registry.key(_DEVICE_POLICY)
    denied = [name for name in _DENIALS if policy and policy.number(name)]
    if denied:
        yield Finding(
            "guest.driver-policy",
            Severity.WARNING,
            "A group policy restricts the installation of device drivers: "
            "the target's devices may stay without one.",
            "Take the master machine out of that policy before the migration.",
            {"values": denied},
        )


_Rule = Callable[[Guest, Registry], Iterator[Finding]]
_RULES: Final[tuple[_Rule, ...]] = (
    _dynamic_disk,
    _other_encrypted_volume,
    _setup_running,
    _pending_restart,
    _driver_policy,
)
