"""Each thing that keeps a disk from being converted has its own finding, and no other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imageport.guest.uefi.draft import draft
from imageport.guest.uefi.survey import Survey
from imageport.model.findings import Severity
from imageport.model.guest import OsFamily
from imageport.model.windows_facts import WindowsState
from tests.unit.guest.test_uefi_layout import IDENTITY
from tests.unit.guest.uefi_disks import FACTS, MIB, RESERVED, WINDOWS, disk, entry, store

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs/convert-to-uefi.md").read_text()
SOURCES = "".join(
    path.read_text() for path in sorted((ROOT / "src/imageport/guest/uefi").glob("*.py"))
)
CODES = set(re.findall(r'"(convert\.[a-z-]+)"', SOURCES))


def inspected(survey: Survey, **other: Any) -> Survey:
    return replace(survey, inspection=replace(survey.inspection, **other))


def volume(survey: Survey, **other: Any) -> Survey:
    """With another kind of third partition."""
    first, second, third = survey.inspection.volumes
    return inspected(survey, volumes=(first, second, replace(third, **other)))


def at(number: int, first: int, sectors: int) -> Any:
    return type(RESERVED)(number, number == 1, 7, first, sectors)


THIRD = entry(3, 5000, 100)
FULL = entry(1, 1, 8191, active=True)
BLOCKED: dict[str, Survey] = {
    "convert.not-windows": inspected(disk(), family=OsFamily.LINUX, windows=None),
    "convert.not-mbr": disk(table=None),
    "convert.sector-size": disk(sector_size=4096),
    "convert.extended-partition": disk(RESERVED, WINDOWS, entry(3, 5000, 100, 0x0F)),
    "convert.too-many-partitions": disk(RESERVED, WINDOWS, THIRD, entry(4, 6000, 100)),
    "convert.unknown-partition": disk(RESERVED, WINDOWS, entry(3, 5000, 100, 0x83)),
    "convert.bad-table": disk(RESERVED, WINDOWS, entry(3, 4000, 500)),
    "convert.active-partition": disk(RESERVED, WINDOWS, entry(3, 5000, 100, active=True)),
    "convert.no-boot-store": disk(store=None),
    "convert.default-entry": disk(store=store((RESERVED, THIRD), 3, 1)),
    "convert.no-boot-manager": disk(boot_manager=False),
    "convert.no-winload": disk(winload=False),
    "convert.loaders-too-large": disk(loader_bytes=93 << 20),
    "convert.bitlocker": volume(disk(RESERVED, WINDOWS, THIRD), kind="bitlocker"),
    "convert.dirty-volume": volume(disk(RESERVED, WINDOWS, THIRD), dirty=True),
    "convert.fast-startup": inspected(
        disk(), windows=replace(FACTS, state=WindowsState(hibernation=True, fast_startup=True))
    ),
    "convert.no-room-at-front": disk(at(1, 33, 100 * MIB), WINDOWS),
    "convert.no-room-at-end": disk(RESERVED, WINDOWS, entry(3, 5000, 3192)),
    "convert.no-room-for-esp": disk(FULL, windows=1, smallest=8191 << 20, size=8193),
}


def test_every_code_has_a_disk() -> None:
    assert set(BLOCKED) | {"convert.recovery-environment"} == CODES


@pytest.mark.parametrize("code", sorted(BLOCKED))
def test_a_disk_that_is_refused(code: str) -> None:
    plan = draft(BLOCKED[code], IDENTITY).plan
    blockers = [found for found in plan.findings if found.severity is Severity.BLOCKER]
    assert [found.code for found in blockers] == [code]
    assert all(found.sentence and found.remedy for found in blockers)
    assert plan.layout is None
    assert plan.changes == ()


def test_a_disk_that_is_converted() -> None:
    plan = draft(disk(), IDENTITY).plan
    assert [found.code for found in plan.findings] == ["convert.recovery-environment"]
    assert plan.layout is not None


def test_an_inspection_that_blocks_blocks_here_too() -> None:
    inspection = disk().inspection
    dynamic = tuple(replace(v, partition_type="0x42") for v in inspection.volumes)
    from imageport.guest.windows.findings import findings  # noqa: PLC0415

    found = findings(replace(inspection, volumes=dynamic))
    plan = draft(inspected(disk(), volumes=dynamic, findings=found), IDENTITY).plan
    assert plan.findings[0].code == "guest.dynamic-disk"
    assert plan.layout is None


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_is_documented(code: str) -> None:
    severity = "info" if code == "convert.recovery-environment" else "blocker"
    assert f"| `{code}` | {severity} |" in DOCS


def test_what_is_documented_exists() -> None:
    assert set(re.findall(r"`(convert\.[a-z-]+)`", DOCS)) == CODES
