"""Partition tables and boot stores of conversions, against what was reviewed."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from imageport.guest.uefi.layout import gpt_entries
from imageport.host.partition_table import gpt_blocks
from lab.guests import MbrLayout
from tests.golden.host_disk import run
from tests.golden.uefi_conversions import EXPECTED, converted, expected_text


@pytest.mark.parametrize("layout", list(MbrLayout))
def test_a_conversion_is_as_reviewed(tmp_path: Path, layout: MbrLayout) -> None:
    image, drafted = converted(layout, tmp_path)
    expected = (EXPECTED / f"{layout}.txt").read_text()
    assert expected_text(drafted).splitlines() == expected.splitlines()
    planned = drafted.plan.layout
    assert planned
    blocks = gpt_blocks(uuid.UUID(planned.disk), gpt_entries(planned), drafted.survey.sectors)
    with image.open("r+b") as file:
        for offset, data in blocks.items():
            file.seek(offset)
            file.write(data)
    said = run("sgdisk", "--verify", image)
    assert "No problems found" in said
    assert "Caution" not in said


def test_every_layout_has_its_file() -> None:
    assert {path.stem for path in EXPECTED.iterdir()} == set(MbrLayout)
