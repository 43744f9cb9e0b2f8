"""What in a Windows guest would make a migration fail, or surprise, whatever the target is.

A rule is a small pure function over the inspection: it yields its findings or nothing. What would
fail only hours later, in the boot or in the machines made from the image, is a blocker. What keeps
a disk from being opened at all (BitLocker, hibernation, a dirty volume or hive) is an error of
`guest.errors` and `windows.hive`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imageport.guest.windows import findings_policy as policy
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Inspection
from imageport.model.guest_facts import WindowsFacts
from imageport.model.windows_facts import SetupState

_DYNAMIC_DISK_TYPES: Final = (
    "0x42",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
    "af9b60a0-1431-4f62-bc68-3311714a69ad",
)
"""MBR type and GPT types (metadata, data) of the Logical Disk Manager."""
_RESTART_REMEDY: Final = (
    "Restart the master machine until nothing is pending, then take the image again."
)


def findings(inspection: Inspection) -> tuple[Finding, ...]:
    """All rules' findings, in their order."""
    facts = inspection.windows
    of_disk = tuple(found for rule in _DISK_RULES for found in rule(inspection))
    return (*of_disk, *(found for rule in _RULES if facts for found in rule(facts)))


def _dynamic_disk(inspection: Inspection) -> Iterator[Finding]:
    kinds = {(volume.partition_type or "").lower() for volume in inspection.volumes}
    if kinds.intersection(_DYNAMIC_DISK_TYPES):
        yield Finding(
            "guest.dynamic-disk",
            Severity.BLOCKER,
            "The disk is a dynamic disk; clouds and Citrix Provisioning take basic disks only.",
            "Convert the master machine's disk to a basic one, then take the image again.",
        )


def _other_encrypted_volume(inspection: Inspection) -> Iterator[Finding]:
    for volume in inspection.volumes:
        if volume.kind == "bitlocker":
            yield Finding(
                "guest.bitlocker-data",
                Severity.WARNING,
                f"Partition {volume.number} is encrypted by BitLocker.",
                "Turn BitLocker off for it in the master machine if machines are to use it.",
                {"partition": volume.number},
            )


def _dirty_volume(inspection: Inspection) -> Iterator[Finding]:
    for volume in inspection.volumes:
        if volume.dirty:
            yield Finding(
                "guest.dirty-volume",
                Severity.WARNING,
                f"Partition {volume.number} was not closed cleanly: every machine made from the "
                "image will check it when it starts.",
                "Let chkdsk finish in the master machine, shut it down fully, then take the image "
                "again.",
                {"partition": volume.number},
            )


def _started_from_vhd(windows: WindowsFacts) -> Iterator[Finding]:
    for entry in windows.boot_entries:
        if entry.default and entry.from_vhd:
            yield Finding(
                "guest.vhd-boot",
                Severity.BLOCKER,
                "The disk starts a Windows that lies in a VHD file, not the one on its partition.",
                "Migrate the VHD file itself, or make the Windows on the partition the default.",
                {"entry": entry.identity},
            )


def _portable(windows: WindowsFacts) -> Iterator[Finding]:
    if windows.state.portable:
        yield Finding(
            "guest.windows-to-go",
            Severity.WARNING,
            "This is a Windows To Go: it keeps the disks of its machine offline.",
            "Use a master machine on which Windows was installed.",
        )


_SETUP: Final = {
    SetupState.UNFINISHED: Finding(
        "guest.setup-in-progress",
        Severity.BLOCKER,
        "Windows' setup has not finished in this image.",
        "Start the master machine, let setup finish, shut it down, then take the image again.",
    ),
    SetupState.GENERALIZED: Finding(
        "guest.generalized",
        Severity.BLOCKER,
        "The image was generalized by sysprep: its next start waits for a person to set it up.",
        "Take the image before sysprep; machines get their identity from Citrix without it.",
    ),
    SetupState.AUDIT: Finding(
        "guest.audit-mode",
        Severity.BLOCKER,
        "Windows is in sysprep's audit mode: every machine would log on as an administrator.",
        "Leave audit mode (sysprep /oobe), finish setup, then take the image again.",
    ),
}


def _setup(windows: WindowsFacts) -> Iterator[Finding]:
    if windows.state.setup in _SETUP:
        yield _SETUP[windows.state.setup]


def _pending_updates(windows: WindowsFacts) -> Iterator[Finding]:
    if windows.state.pending_updates:
        yield Finding(
            "guest.pending-updates",
            Severity.BLOCKER,
            "Updates are half installed: the rest, done on other hardware, may end in an image "
            "that does not start.",
            _RESTART_REMEDY,
            {"pending": list(windows.state.pending_updates)},
        )


def _pending_restart(windows: WindowsFacts) -> Iterator[Finding]:
    # One restart ends both: what is half installed says it louder.
    if windows.state.pending_restart and not windows.state.pending_updates:
        yield Finding(
            "guest.pending-restart",
            Severity.WARNING,
            "Windows waits for a restart to finish updates or installations: "
            "its first boot on the target takes longer, and may fail.",
            _RESTART_REMEDY,
            {"pending": list(windows.state.pending_restart)},
        )


def _fast_startup(windows: WindowsFacts) -> Iterator[Finding]:
    if windows.state.fast_startup:
        yield Finding(
            "guest.fast-startup",
            Severity.INFO,
            "Fast startup is on; the preparation turns it off, since a shut down machine's disk "
            "would be hibernated.",
            "Run 'powercfg /h off' in the master machine, so that later images can be taken.",
        )


def _domain(windows: WindowsFacts) -> Iterator[Finding]:
    if windows.domain.joined:
        name = windows.domain.name or "a domain"
        yield Finding(
            "guest.domain-joined",
            Severity.WARNING,
            f"The image is a member of {name} as {windows.domain.computer_account or 'itself'}: "
            "while it boots it may use, and change, the master machine's account.",
            "Isolate the machine that prepares it from domain controllers, or unjoin the master.",
            {"domain": name, "account": windows.domain.computer_account},
        )
    if windows.domain.entra_tenant:
        yield Finding(
            "guest.entra-joined",
            Severity.WARNING,
            "The image is joined to Entra ID: every machine made from it would be the same device.",
            "Run 'dsregcmd /leave' in the master machine, then take the image again.",
            {"tenant": windows.domain.entra_tenant},
        )


def _static_address(windows: WindowsFacts) -> Iterator[Finding]:
    addresses = [a for each in windows.interfaces if not each.dhcp for a in each.addresses]
    if addresses:
        yield Finding(
            "guest.static-address",
            Severity.INFO,
            f"The address {', '.join(addresses)} is static; the preparation turns DHCP on.",
            "Nothing to do where the target's network has DHCP.",
            {"addresses": addresses},
        )


def _page_file(windows: WindowsFacts) -> Iterator[Finding]:
    for file in windows.page_files:
        if not file.drive_here:
            yield Finding(
                "guest.page-file-drive",
                Severity.WARNING,
                f"The page file {file.path} is on a drive that this disk does not hold.",
                "Let Windows manage the page file, unless machines will have such a drive.",
                {"path": file.path},
            )


def _antivirus(windows: WindowsFacts) -> Iterator[Finding]:
    for name in windows.antivirus:
        yield Finding(
            "guest.antivirus",
            Severity.WARNING,
            f"{name} is installed: it may keep drivers and first-boot work from being done, and "
            "its identity would be the same in every machine.",
            "Prepare it for images as its vendor says, or install it after the migration.",
            {"product": name},
        )


def _compact_os(windows: WindowsFacts) -> Iterator[Finding]:
    if windows.state.compact_os:
        yield Finding(
            "guest.compact-os",
            Severity.INFO,
            "Windows' own files are compressed (CompactOS); they are migrated as they are.",
            "Nothing to do; 'compact /compactos:never' in the master machine unpacks them.",
        )


_DISK_RULES: Final[tuple[Callable[[Inspection], Iterator[Finding]], ...]] = (
    _dynamic_disk,
    _other_encrypted_volume,
    _dirty_volume,
)
_RULES: Final[tuple[Callable[[WindowsFacts], Iterator[Finding]], ...]] = (
    _started_from_vhd,
    _portable,
    _setup,
    _pending_updates,
    _pending_restart,
    policy.drivers,
    policy.powershell,
    policy.application_control,
    _fast_startup,
    _domain,
    _static_address,
    _page_file,
    _antivirus,
    _compact_os,
)
