"""What keeps a disk from being converted: pure rules over the survey, each with its finding.

They are what Microsoft's own tool demands ("MBR2GPT", disk prerequisites), and what the boot loader
for UEFI needs of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imageport.guest.uefi.boot_store import Binding, default_device
from imageport.guest.uefi.layout import ESP_SIZE, MIB, RECOVERY_TYPE
from imageport.guest.uefi.survey import Survey
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily

_MOST_PARTITIONS: Final = 3
_EXTENDED: Final = (0x05, 0x0F, 0x85)
_DYNAMIC: Final = 0x42
_KNOWN: Final = (0x01, 0x04, 0x06, 0x07, 0x0B, 0x0C, 0x0E, RECOVERY_TYPE)
"""FAT, NTFS and the recovery environment: the types that become those of a GPT."""
_FAT_OVERHEAD: Final = 8 * MIB
"""More than a FAT32 of that size takes for itself."""

_ROOM: Final = {
    "convert.no-room-at-front": (
        "The first partition begins where the partition table (GPT) would lie.",
        "Move it 1 MiB back in the source machine, then take the image again.",
    ),
    "convert.no-room-at-end": (
        "The last partition ends where the second partition table (GPT) would lie, and cannot be "
        "made smaller.",
        "Shrink it by 1 MiB in the source machine, or enlarge the disk, then take the image again.",
    ),
    "convert.no-room-for-esp": (
        f"There is no room for an EFI system partition of {ESP_SIZE >> 20} MiB: the old system "
        "partition cannot become it, no space is free, and Windows' volume cannot be shrunk.",
        "Free space on the Windows volume, or enlarge the disk, then take the image again.",
    ),
}


def findings(survey: Survey) -> tuple[Finding, ...]:
    """What stands in the way of any conversion; what the inspection found comes first."""
    if survey.inspection.family is not OsFamily.WINDOWS:
        return (
            _blocker(
                "convert.not-windows",
                f"{survey.inspection.name} is no Windows.",
                "Linux images are started either way by installing a boot loader for UEFI in them.",
            ),
        )
    if survey.table is None:
        return (
            _blocker(
                "convert.not-mbr",
                "The disk has no MBR partition table: it is GPT already, or not partitioned.",
                "There is nothing to convert.",
            ),
        )
    kept = tuple(found for found in survey.inspection.findings if found.code not in _SHARPER)
    return (*kept, *(found for rule in _RULES for found in rule(survey)))


def no_room(code: str) -> Finding:
    """The finding of a layout that cannot be made."""
    return _blocker(code, *_ROOM[code])


def _blocker(code: str, sentence: str, remedy: str) -> Finding:
    return Finding(code, Severity.BLOCKER, sentence, remedy)


def _sectors(survey: Survey) -> Iterator[Finding]:
    if survey.sector_size != 512:
        yield _blocker(
            "convert.sector-size",
            f"The disk has sectors of {survey.sector_size} bytes, not 512.",
            "Convert it in the source machine (mbr2gpt /convert), then take the image again.",
        )


def _partitions(survey: Survey) -> Iterator[Finding]:
    entries = survey.table.partitions if survey.table else ()
    if any(each.kind in _EXTENDED for each in entries):
        yield _blocker(
            "convert.extended-partition",
            "The disk has an extended partition.",
            "Replace its logical drives by primary partitions, then take the image again.",
        )
    elif len(entries) > _MOST_PARTITIONS:
        yield _blocker(
            "convert.too-many-partitions",
            f"The disk has {len(entries)} primary partitions; at most {_MOST_PARTITIONS} can be "
            "converted.",
            "Remove one in the source machine, then take the image again.",
        )
    unknown = [e for e in entries if e.kind not in (*_KNOWN, *_EXTENDED, _DYNAMIC)]
    for each in unknown:
        yield _blocker(
            "convert.unknown-partition",
            f"Partition {each.number} is of the type 0x{each.kind:02x}, which a GPT has no "
            "counterpart of.",
            "Remove it in the source machine, then take the image again.",
        )


def _table(survey: Survey) -> Iterator[Finding]:
    at = 0
    for each in sorted(survey.table.partitions if survey.table else (), key=lambda e: e.first):
        if each.first < max(at, 1) or each.end > survey.sectors or not each.sectors:
            yield _blocker(
                "convert.bad-table",
                f"Partition {each.number} overlaps another one, or lies outside of the disk.",
                "Check the disk in the source machine, then take the image again.",
            )
        at = max(at, each.end)


def _active(survey: Survey) -> Iterator[Finding]:
    active = [e.number for e in (survey.table.partitions if survey.table else ()) if e.active]
    if len(active) != 1:
        yield _blocker(
            "convert.active-partition",
            f"{len(active) or 'No'} partitions are marked as active; it has to be the one with the "
            "boot manager.",
            "Mark the system partition alone as active (diskpart), then take the image again.",
        )


def _store(survey: Survey) -> Iterator[Finding]:
    if survey.store is None or survey.table is None:
        yield _blocker(
            "convert.no-boot-store",
            "The active partition holds no boot store (\\Boot\\BCD).",
            "Repair it in the source machine (bcdboot C:\\Windows), then take the image again.",
        )
        return
    windows = next((p for p in survey.table.partitions if p.number == survey.windows), None)
    if windows is None:
        return  # on a logical drive, which is a finding already
    wanted = Binding.of_mbr(survey.table.signature, windows.first * 512)
    # A store that was made general names the partition of the boot manager, whichever that is.
    if default_device(survey.store) not in (wanted, Binding.boot()):
        yield _blocker(
            "convert.default-entry",
            "The default entry of the boot store does not start the Windows on this disk.",
            "Repair it in the source machine (bcdboot C:\\Windows), then take the image again.",
        )


def _loaders(survey: Survey) -> Iterator[Finding]:
    if not survey.boot_manager:
        yield _blocker(
            "convert.no-boot-manager",
            "Windows lacks its boot manager for UEFI (\\Windows\\Boot\\EFI\\bootmgfw.efi).",
            "Repair Windows (DISM /Online /Cleanup-Image /RestoreHealth), then take the image "
            "again.",
        )
    if not survey.winload:
        yield _blocker(
            "convert.no-winload",
            "Windows lacks its loader for UEFI (\\Windows\\System32\\winload.efi).",
            "Repair Windows (DISM /Online /Cleanup-Image /RestoreHealth), then take the image "
            "again.",
        )
    # The manager is there twice, the second time as what a machine starts that knows nothing.
    if survey.loader_bytes > ESP_SIZE - _FAT_OVERHEAD:
        yield _blocker(
            "convert.loaders-too-large",
            f"The boot loaders' files ({survey.loader_bytes >> 20} MiB) do not fit on an EFI "
            f"system partition of {ESP_SIZE >> 20} MiB.",
            "Remove what does not belong into \\Windows\\Boot, then take the image again.",
        )


def _encrypted(survey: Survey) -> Iterator[Finding]:
    for volume in survey.inspection.volumes:
        if volume.kind == "bitlocker":
            yield _blocker(
                "convert.bitlocker",
                f"Partition {volume.number} is encrypted by BitLocker.",
                "Turn BitLocker off for it (manage-bde -off), then take the image again.",
            )


def _dirty(survey: Survey) -> Iterator[Finding]:
    for volume in survey.inspection.volumes:
        if volume.dirty:
            yield _blocker(
                "convert.dirty-volume",
                f"Partition {volume.number} was not closed cleanly.",
                "Let chkdsk finish in the source machine, shut it down fully, then take the image "
                "again.",
            )


def _hibernation(survey: Survey) -> Iterator[Finding]:
    windows = survey.inspection.windows
    if windows and windows.state.fast_startup:
        yield _blocker(
            "convert.fast-startup",
            "Fast startup is on: the next shutdown of a BIOS machine would leave a memory image "
            "that a UEFI machine cannot resume.",
            "Run 'powercfg /h off' in the source machine, then take the image again.",
        )


def _recovery(survey: Survey) -> Iterator[Finding]:
    windows = survey.inspection.windows
    if windows is not None:
        yield Finding(
            "convert.recovery-environment",
            Severity.INFO,
            "Windows' recovery environment is found again by its boot entry; reagentc knows its "
            "old place until it is registered anew.",
            "Run 'reagentc /disable' and 'reagentc /enable' in the converted machine.",
        )


_SHARPER: Final = ("guest.bitlocker-data", "guest.dirty-volume", "guest.fast-startup")
"""The inspection's findings that are blockers here."""
_RULES: Final[tuple[Callable[[Survey], Iterator[Finding]], ...]] = (
    _sectors,
    _table,
    _partitions,
    _active,
    _store,
    _loaders,
    _encrypted,
    _dirty,
    _hibernation,
    _recovery,
)
