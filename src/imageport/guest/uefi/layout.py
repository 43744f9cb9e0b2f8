"""The new partition table: pure, by what the survey saw.

Partitions keep their places and numbers. The EFI system partition is the old system partition where
Microsoft's own tool would take it ("MBR2GPT", Microsoft), else it lies in free space, else Windows'
volume is shrunk for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Final

from imageport.guest.uefi.survey import Survey
from imageport.host.partition_table import EFI_SYSTEM, GPT_SECTORS, SECTOR, GptPartition
from imageport.model.conversion import Layout, NewPartition, PartitionRole

MIB: Final = 1 << 20
ESP_SIZE: Final = 100 * MIB
ESP_LARGEST: Final = 1024 * MIB
"""A larger system partition is taken for one with data."""
RESERVED_SIZE: Final = 16 * MIB
"""Of Microsoft's reserved partition on a disk of this size ("UEFI/GPT-based hard drive partitions",
Microsoft)."""
RECOVERY_TYPE: Final = 0x27
_ALIGNMENT: Final = MIB // SECTOR
_BOOT_FILES: Final = frozenset(
    ("boot", "bootmgr", "bootnxt", "bootsect.bak", "boottel.dat", "$recycle.bin", "recycler",
     "system volume information", "$winreagent")
)  # fmt: skip
"""What setup and Windows themselves leave on a system partition, folded."""

KINDS: Final = {
    PartitionRole.EFI_SYSTEM: EFI_SYSTEM,
    PartitionRole.RESERVED: uuid.UUID("e3c9e316-0b5c-4db8-817d-f92df00215ae"),
    PartitionRole.BASIC_DATA: uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"),
    PartitionRole.RECOVERY: uuid.UUID("de94bba4-06d1-4d40-a16a-bfd50179d6ac"),
}
"""Partition types (PARTITION_INFORMATION_GPT, Microsoft)."""
NAMES: Final = {
    PartitionRole.EFI_SYSTEM: "EFI system partition",
    PartitionRole.RESERVED: "Microsoft reserved partition",
    PartitionRole.BASIC_DATA: "Basic data partition",
    PartitionRole.RECOVERY: "Recovery partition",
}
_REQUIRED: Final = 1
_NO_LETTER: Final = 1 << 63
ATTRIBUTES: Final = {
    PartitionRole.EFI_SYSTEM: _NO_LETTER,
    PartitionRole.RESERVED: _NO_LETTER,
    PartitionRole.BASIC_DATA: 0,
    PartitionRole.RECOVERY: _REQUIRED | _NO_LETTER,
}
"""GPT_ATTRIBUTE_PLATFORM_REQUIRED and GPT_BASIC_DATA_ATTRIBUTE_NO_DRIVE_LETTER."""


class NoRoom(Exception):  # not an error: it becomes a finding
    """Why there is no layout: the code of the finding that says it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def first_usable() -> int:
    """The first sector behind the MBR and the table at the front."""
    return 1 + GPT_SECTORS


def last_usable(survey: Survey) -> int:
    """The last sector before the table at the end."""
    return survey.sectors - 1 - GPT_SECTORS


def layout(survey: Survey, identity: uuid.UUID) -> Layout:
    """The new table of a disk whose MBR is one that can be converted; `identity` becomes the disk's
    GUID, and those of partitions follow from it. Raises NoRoom."""
    assert survey.table  # noqa: S101 - a disk without one is refused before
    kept = {each.number: (each.first, each.sectors) for each in survey.table.partitions}
    if min(first for first, _ in kept.values()) < first_usable():
        raise NoRoom("convert.no-room-at-front")
    esp = survey.system if _reusable(survey) else 0
    shrunk = _shrunk(survey, kept, esp)
    made = _made(survey, shrunk, esp)
    windows = shrunk[survey.windows][1]
    partitions = [*_old(survey, shrunk, identity, esp), *_new(made, shrunk, identity)]
    return Layout(
        disk=str(identity),
        partitions=tuple(partitions),
        windows=survey.windows,
        shrink_to=windows * SECTOR if windows != kept[survey.windows][1] else None,
    )


def gpt_entries(planned: Layout) -> tuple[GptPartition, ...]:
    """The planned partitions as a table has them."""
    return tuple(
        GptPartition(
            each.number,
            KINDS[each.role],
            uuid.UUID(each.unique),
            each.first,
            each.sectors,
            ATTRIBUTES[each.role],
            NAMES[each.role],
        )
        for each in planned.partitions
    )


_Places = dict[int, tuple[int, int]]


def _reusable(survey: Survey) -> bool:
    """Whether the system partition holds boot files and nothing else, and has the size."""
    entries = survey.table.partitions if survey.table else ()
    system = next((each for each in entries if each.number == survey.system), None)
    if system is None or survey.system == survey.windows or survey.recovery_on_system:
        return False
    small_enough = ESP_SIZE <= system.sectors * SECTOR <= ESP_LARGEST
    known = {name.casefold() for name in survey.system_names} <= _BOOT_FILES
    return small_enough and known and system.end - 1 <= last_usable(survey)


def _shrunk(survey: Survey, kept: _Places, esp: int) -> _Places:
    """The old partitions with Windows' own as large as it can stay."""
    as_it_is = _shrink(survey, kept, 0)
    if esp or _place(survey, as_it_is, ESP_SIZE):
        return as_it_is
    try:
        return _shrink(survey, kept, ESP_SIZE + RESERVED_SIZE)
    except NoRoom:
        return _shrink(survey, kept, ESP_SIZE)


def _shrink(survey: Survey, kept: _Places, needed: int) -> _Places:
    """Windows' volume ends `needed` bytes earlier, and before the table at the end of the disk."""
    first, sectors = kept[survey.windows]
    end = first + sectors
    limit = last_usable(survey) + 1
    if max(start + count for start, count in kept.values()) > limit and end <= limit:
        raise NoRoom("convert.no-room-at-end")
    if end <= limit and not needed:
        return kept
    new_end = min(end, limit) - needed // SECTOR
    new_end -= new_end % _ALIGNMENT
    size = (new_end - first) * SECTOR
    if survey.smallest is None or size < survey.smallest:
        raise NoRoom("convert.no-room-at-end" if not needed else "convert.no-room-for-esp")
    return {**kept, survey.windows: (first, new_end - first)}


def _gaps(survey: Survey, taken: _Places) -> Iterator[tuple[int, int]]:
    """Free sectors, aligned: first and end of each stretch."""
    at = first_usable()
    for first, sectors in sorted([*taken.values(), (last_usable(survey) + 1, 0)]):
        start = -(-at // _ALIGNMENT) * _ALIGNMENT
        if first > start:
            yield start, first
        at = max(at, first + sectors)


def _place(survey: Survey, taken: _Places, size: int) -> tuple[int, int] | None:
    """The first stretch of free sectors with room for `size` bytes."""
    sectors = size // SECTOR
    starts = (start for start, end in _gaps(survey, taken) if end - start >= sectors)
    start = next(starts, None)
    return None if start is None else (start, sectors)


def _made(survey: Survey, taken: _Places, esp: int) -> dict[PartitionRole, tuple[int, int]]:
    """The new partitions: the EFI system partition where the old one does not become it, and
    Microsoft's reserved one where there is room."""
    made: dict[PartitionRole, tuple[int, int]] = {}
    if not esp:
        place = _place(survey, taken, ESP_SIZE)
        if place is None:
            raise NoRoom("convert.no-room-for-esp")
        made[PartitionRole.EFI_SYSTEM] = place
    reserved = _place(survey, {**taken, **dict(enumerate(made.values(), -1))}, RESERVED_SIZE)
    if reserved:
        made[PartitionRole.RESERVED] = reserved
    return made


def _old(survey: Survey, places: _Places, identity: uuid.UUID, esp: int) -> Iterator[NewPartition]:
    for each in survey.table.partitions if survey.table else ():
        role = PartitionRole.BASIC_DATA
        if each.number == esp:
            role = PartitionRole.EFI_SYSTEM
        elif each.kind == RECOVERY_TYPE:
            role = PartitionRole.RECOVERY
        first, sectors = places[each.number]
        unique = str(_guid(identity, each.number))
        yield NewPartition(each.number, role, unique, first, sectors, made=each.number == esp)


def _new(
    made: dict[PartitionRole, tuple[int, int]], old: _Places, identity: uuid.UUID
) -> Iterator[NewPartition]:
    for number, (role, (first, sectors)) in enumerate(made.items(), max(old) + 1):
        unique = str(_guid(identity, number))
        yield NewPartition(number, role, unique, first, sectors, made=True)


def _guid(identity: uuid.UUID, number: int) -> uuid.UUID:
    return uuid.uuid5(identity, f"partition {number}")
