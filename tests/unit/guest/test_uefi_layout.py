"""Where partitions come to lie: the old ones stay, the new ones find room or make it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from imageport.guest.uefi.layout import NoRoom, gpt_entries, layout
from imageport.host.partition_table import EFI_SYSTEM
from imageport.model.conversion import Layout, PartitionRole
from tests.unit.guest.uefi_disks import GIB, MIB, RESERVED, WINDOWS, disk, entry

IDENTITY = uuid.UUID(int=7)
Row = tuple[int, str, float, float, bool]


def rows(found: Layout) -> list[Row]:
    """Number, role, first and size in MiB, whether it is made."""
    return [
        (p.number, str(p.role), p.first / MIB, p.sectors / MIB, p.made) for p in found.partitions
    ]


def planned(*entries: Any, **other: Any) -> Layout:
    return layout(disk(*entries, **other), IDENTITY)


SYSTEM: Row = (1, "efi-system", 1, 100, True)
OLD_SYSTEM: Row = (1, "basic-data", 1, 100, False)
OS: Row = (2, "basic-data", 101, 4000, False)


def test_the_system_partition_becomes_the_efi_system_partition() -> None:
    found = planned()
    assert rows(found) == [SYSTEM, OS, (3, "microsoft-reserved", 4101, 16, True)]
    assert found.shrink_to is None


@pytest.mark.parametrize(
    "other",
    [
        {"system_names": ("Boot", "bootmgr", "Accounts")},
        {"recovery_on_system": True},
    ],
    ids=["files of somebody's", "recovery environment"],
)
def test_a_system_partition_with_more_in_it_stays(other: dict[str, Any]) -> None:
    assert rows(planned(**other)) == [
        OLD_SYSTEM,
        OS,
        (3, "efi-system", 4101, 100, True),
        (4, "microsoft-reserved", 4201, 16, True),
    ]


@pytest.mark.parametrize("size", [50, 99, 1025])
def test_a_system_partition_of_another_size_stays(size: int) -> None:
    entries = (entry(1, 1, size, active=True), entry(2, size + 1, 4000))
    found = planned(*entries)
    assert [role for _, role, *_ in rows(found)][:2] == ["basic-data", "basic-data"]
    assert rows(found)[2] == (3, "efi-system", size + 4001, 100, True)


def test_windows_alone_makes_room() -> None:
    """A disk that it fills: it ends earlier by both new partitions, and by the table's place."""
    found = planned(entry(1, 1, 8191, active=True), windows=1, system_names=())
    assert rows(found) == [
        (1, "basic-data", 1, 8191 - 117, False),
        (2, "efi-system", 8192 - 117, 100, True),
        (3, "microsoft-reserved", 8192 - 17, 16, True),
    ]
    assert found.shrink_to == (8191 - 117) << 20
    assert found.windows == 1


def test_no_more_is_taken_from_windows_than_it_has() -> None:
    """Without room for Microsoft's reserved partition there is none."""
    fits = (8191 - 101) << 20
    found = planned(entry(1, 1, 8191, active=True), windows=1, smallest=fits, system_names=())
    assert [role for _, role, *_ in rows(found)] == ["basic-data", "efi-system"]
    assert found.shrink_to == fits
    with pytest.raises(NoRoom) as full:
        planned(entry(1, 1, 8191, active=True), windows=1, smallest=fits + 1, system_names=())
    assert full.value.code == "convert.no-room-for-esp"


def test_a_recovery_partition_behind_windows_stays() -> None:
    small, recovery = entry(1, 1, 50, active=True), entry(3, 7000, 1191, 0x27)
    found = planned(small, entry(2, 51, 6949), recovery)
    assert rows(found) == [
        (1, "basic-data", 1, 50, False),
        (2, "basic-data", 51, 6949 - 116, False),
        (3, "recovery", 7000, 1191, False),
        (4, "efi-system", 7000 - 116, 100, True),
        (5, "microsoft-reserved", 7000 - 16, 16, True),
    ]


def test_the_table_at_the_end_takes_from_windows_alone() -> None:
    found = planned(RESERVED, entry(2, 101, 8192 - 101))
    assert rows(found) == [SYSTEM, (2, "basic-data", 101, 8192 - 102, False)]
    assert found.shrink_to == (8192 - 102) << 20
    last = entry(3, 5000, 3192)
    with pytest.raises(NoRoom) as full:
        planned(RESERVED, WINDOWS, last)
    assert full.value.code == "convert.no-room-at-end"


def test_what_cannot_shrink_is_said_to() -> None:
    with pytest.raises(NoRoom) as full:
        planned(RESERVED, entry(2, 101, 8192 - 101), smallest=None)
    assert full.value.code == "convert.no-room-at-end"


def test_no_room_at_the_front() -> None:
    first = entry(1, 1, 100, active=True)
    early = type(first)(1, True, 7, 33, 100 * MIB)
    with pytest.raises(NoRoom) as full:
        planned(early, WINDOWS)
    assert full.value.code == "convert.no-room-at-front"
    old = type(first)(1, True, 7, 63, 100 * MIB)  # where Windows XP's setup began
    assert planned(old, WINDOWS).partitions[0].first == 63


def test_names_follow_from_the_disk() -> None:
    one, again, other = planned(), planned(), layout(disk(), uuid.UUID(int=8))
    assert one == again
    assert not {p.unique for p in one.partitions} & {p.unique for p in other.partitions}


def test_types_and_attributes() -> None:
    small, recovery = entry(1, 1, 50, active=True), entry(3, 7000, 1191, 0x27)
    entries = gpt_entries(planned(small, entry(2, 51, 6949), recovery, smallest=GIB))
    seen = {e.number: (str(e.kind), e.attributes) for e in entries}
    hidden = 1 << 63
    assert seen == {
        1: ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", 0),
        2: ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", 0),
        3: ("de94bba4-06d1-4d40-a16a-bfd50179d6ac", hidden | 1),
        4: (str(EFI_SYSTEM), hidden),
        5: ("e3c9e316-0b5c-4db8-817d-f92df00215ae", hidden),
    }
    assert {str(role) for role in PartitionRole} == {
        "efi-system", "microsoft-reserved", "basic-data", "recovery"
    }  # fmt: skip
