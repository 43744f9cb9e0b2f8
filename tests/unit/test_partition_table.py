"""Partition tables that are written, against readers that are not ours, and damaged ones."""

from __future__ import annotations

import json
import struct
import subprocess
import uuid
from pathlib import Path

import pytest

from imageport.host.partition_table import (
    EFI_SYSTEM,
    Gpt,
    GptPartition,
    Mbr,
    MbrPartition,
    device_reader,
    gpt,
    gpt_blocks,
    gpt_partitions,
    mbr,
)

DISK = uuid.UUID("58b42358-8498-5866-a8ec-ae1f894f309d")
DATA = uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
SECTORS = 409_600
PARTITIONS = (
    GptPartition(1, EFI_SYSTEM, uuid.UUID(int=1), 2048, 204_800, 1 << 63, "EFI system partition"),
    GptPartition(3, DATA, uuid.UUID(int=3), 206_848, 100_352, 1, "Basic data partition"),
)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(SECTORS * 512)
        for offset, data in gpt_blocks(DISK, PARTITIONS, SECTORS).items():
            file.seek(offset)
            file.write(data)
    return path


def run(*argv: str | Path) -> str:
    done = subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True)
    return done.stdout


def test_sgdisk_finds_no_problem(disk: Path) -> None:
    said = run("sgdisk", "--verify", disk)
    assert "No problems found" in said
    assert "Caution" not in said


def test_sfdisk_reads_what_was_written(disk: Path) -> None:
    table = json.loads(run("sfdisk", "--json", disk))["partitiontable"]
    assert (table["label"], uuid.UUID(table["id"])) == ("gpt", DISK)
    assert (table["firstlba"], table["lastlba"]) == (34, SECTORS - 34)
    seen = [
        (p["node"][-1:], uuid.UUID(p["type"]), uuid.UUID(p["uuid"]), p["start"], p["size"],
         p["name"], p.get("attrs"))
        for p in table["partitions"]
    ]  # fmt: skip
    attributes = {1: "GUID:63", 3: "RequiredPartition"}
    assert seen == [
        (str(p.number), p.kind, p.unique, p.first, p.sectors, p.name, attributes[p.number])
        for p in PARTITIONS
    ]


def test_both_tables_read_back(disk: Path) -> None:
    read_at = device_reader(str(disk))
    for place in (1, SECTORS - 1):
        assert gpt(read_at, place) == Gpt(DISK, PARTITIONS, SECTORS)
    assert gpt_partitions(read_at) == list(PARTITIONS)
    assert mbr(read_at) is None, "it only protects the GPT"


def test_a_table_of_sgdisk_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "other.raw"
    with path.open("wb") as file:
        file.truncate(SECTORS * 512)
    run("sgdisk", f"--disk-guid={DISK}", "--new=2:4096:8191", "--typecode=2:EF00", path)
    found = gpt(device_reader(str(path)))
    assert found is not None
    assert found.disk == DISK
    assert [(p.number, p.kind, p.first, p.sectors) for p in found.partitions] == [
        (2, EFI_SYSTEM, 4096, 4096)
    ]


@pytest.mark.parametrize("offset", [512, 512 + 24, 512 + 40, 512 + 60, 1024 + 40, 1024 + 16_000])
def test_a_damaged_table_is_not_sound(disk: Path, offset: int) -> None:
    with disk.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    assert gpt(device_reader(str(disk))) is None


def test_a_table_that_lies_elsewhere_is_not_sound(disk: Path) -> None:
    """A copy of the first header where the second belongs."""
    with disk.open("r+b") as file:
        file.seek(512)
        header = file.read(512)
        file.seek((SECTORS - 1) * 512)
        file.write(header)
    assert gpt(device_reader(str(disk)), SECTORS - 1) is None


def test_an_mbr_as_sfdisk_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "mbr.raw"
    with path.open("wb") as file:
        file.truncate(SECTORS * 512)
    script = "label: dos\nlabel-id: 0x1a2b3c4d\n2048,8192,7,*\n10240,4096,27\n"
    subprocess.run(["sfdisk", "--quiet", path], input=script, text=True, check=True)
    found = mbr(device_reader(str(path)))
    assert found == Mbr(
        0x1A2B3C4D,
        (MbrPartition(1, True, 7, 2048, 8192), MbrPartition(2, False, 0x27, 10_240, 4096)),
    )
    assert found.partitions[1].end == 14_336


def test_no_table_at_all() -> None:
    def read_at(offset: int, length: int) -> bytes:
        return bytes(length)

    assert mbr(read_at) is None
    assert gpt(read_at) is None


def test_the_protective_entry_of_a_large_disk() -> None:
    """More sectors than 32 bits can say are said by all ones (UEFI 2.10, table 5.4)."""
    (_, block), *_ = sorted(gpt_blocks(DISK, (), 1 << 33).items())
    assert struct.unpack_from("<BII", block, 446 + 4)[0] == 0xEE
    assert struct.unpack_from("<II", block, 446 + 8) == (1, 0xFFFFFFFF)
