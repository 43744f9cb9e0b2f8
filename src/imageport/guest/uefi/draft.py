"""A conversion thought through: pure, by what the survey saw."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imageport.guest.uefi import boot_store, drives
from imageport.guest.uefi.boot_store import Binding, Moves, StoreChange
from imageport.guest.uefi.findings import findings, no_room
from imageport.guest.uefi.layout import MIB, NAMES, NoRoom, layout
from imageport.guest.uefi.survey import BOOT_MANAGER, FALLBACK, LOADERS, Survey
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.registry import rendered
from imageport.host.partition_table import SECTOR, Mbr, MbrPartition
from imageport.model.conversion import ConversionPlan, Layout, NewPartition, PartitionRole
from imageport.model.findings import Severity
from imageport.model.guest import Change

TABLE: Final = "partition-table"
ESP: Final = "efi-system-partition"
STORE: Final = "boot-store"
DRIVES: Final = "drives"


@dataclass(frozen=True, slots=True)
class Draft:
    """What will be written, and the plan that says it to a person."""

    survey: Survey
    plan: ConversionPlan
    store: bytes = b""
    """The boot store for UEFI."""
    store_changes: tuple[StoreChange, ...] = ()
    drives: tuple[SetValue | DropValue, ...] = ()


def draft(survey: Survey, identity: uuid.UUID) -> Draft:
    """Everything that converting the disk means; `identity` becomes its GUID."""
    found = findings(survey)
    if any(each.severity is Severity.BLOCKER for each in found):
        return Draft(survey, ConversionPlan(found, None, ()))
    try:
        planned = layout(survey, identity)
    except NoRoom as full:
        return Draft(survey, ConversionPlan((*found, no_room(full.code)), None, ()))
    assert survey.table  # noqa: S101 - the findings have made sure of both
    assert survey.store  # noqa: S101
    changed = boot_store.changes(survey.store, _moves(survey.table, planned))
    new = {each.number: each for each in planned.partitions}
    by_offset = {old.first * SECTOR: new[old.number] for old in survey.table.partitions}
    letters = tuple(drives.edits(survey.drives, survey.table.signature, by_offset))
    said = (
        *_of_table(survey, survey.table, planned),
        *_of_esp(planned),
        *(_of_store(change) for change in changed),
        *(_of_drive(edit) for edit in letters),
    )
    plan = ConversionPlan(found, planned, said)
    return Draft(survey, plan, boot_store.converted(survey.store, changed), changed, letters)


def _moves(table: Mbr, planned: Layout) -> Moves:
    disk = uuid.UUID(planned.disk)
    new = {each.number: Binding.of_gpt(disk, uuid.UUID(each.unique)) for each in planned.partitions}
    old = {
        each.number: Binding.of_mbr(table.signature, each.first * SECTOR)
        for each in table.partitions
    }
    esp = planned.of(PartitionRole.EFI_SYSTEM)
    assert esp  # noqa: S101 - every layout has one
    pairs = tuple((binding, new[number]) for number, binding in old.items())
    return Moves(pairs, esp=new[esp.number], windows=new[planned.windows])


def _of_table(survey: Survey, table: Mbr, planned: Layout) -> Iterator[Change]:
    before = f"MBR, signature {table.signature:08x}"
    yield Change(TABLE, "GPT with a protective MBR", "disk", before, f"GPT, disk {planned.disk}")
    if planned.shrink_to:
        size = survey.volumes[planned.windows].size
        where = f"partition {planned.windows}"
        yield Change(TABLE, "Windows' volume shrunk", where, str(size), str(planned.shrink_to))
    old = {each.number: each for each in table.partitions}
    for each in planned.partitions:
        before_it = _said_old(old[each.number]) if each.number in old else None
        where = f"partition {each.number}"
        yield Change(TABLE, NAMES[each.role], where, before_it, _said_new(each))


def _said_old(partition: MbrPartition) -> str:
    size = partition.sectors * SECTOR // MIB
    return f"type 0x{partition.kind:02x}, {size} MiB at sector {partition.first}"


def _said_new(partition: NewPartition) -> str:
    size = partition.sectors * SECTOR // MIB
    return f"{partition.unique}, {size} MiB at sector {partition.first}"


def _of_esp(planned: Layout) -> Iterator[Change]:
    esp = planned.of(PartitionRole.EFI_SYSTEM)
    where = f"partition {esp.number}" if esp else ""
    yield Change(ESP, "formatted", where, None, "FAT32")
    yield Change(ESP, "boot loaders for UEFI", "EFI/Microsoft/Boot", None, f"copy of {LOADERS}")
    yield Change(ESP, "loader for machines that never saw this disk", FALLBACK, None,
                 f"copy of {BOOT_MANAGER}")  # fmt: skip
    yield Change(ESP, "boot store for UEFI", boot_store.STORE, None, "from \\Boot\\BCD")


def _of_store(change: StoreChange) -> Change:
    where = rf"BCD\{change.key}"
    return Change(STORE, change.what, where, rendered(change.before), rendered(change.after))


def _of_drive(edit: SetValue | DropValue) -> Change:
    name, after = (
        (edit.value.name, rendered(edit.value)) if isinstance(edit, SetValue) else (edit.name, None)
    )
    return Change(DRIVES, edit.what, f"{edit.key}\\{name}", edit.before, after)
