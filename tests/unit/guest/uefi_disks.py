"""Surveys of disks that are not there."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imageport.guest.uefi.survey import Survey
from imageport.host.partition_table import Mbr, MbrPartition
from imageport.model.guest import Inspection, OsFamily, Volume
from imageport.model.guest_facts import WindowsFacts
from imageport.model.target import Firmware
from lab.guests.disk_image import Extent
from lab.guests.windows_bcd import Places, write_bcd
from lab.guests.windows_devices import on_mbr
from lab.guests.windows_spec import WindowsMaster

MIB = 2048
"""Sectors."""
SIGNATURE = 0x1A2B3C4D
GIB = 1 << 30
FACTS = WindowsFacts("Windows", "ControlSet001", 20348, True, (), (), (), (), (), ())


def entry(
    number: int, first: int, size: int, kind: int = 7, *, active: bool = False
) -> MbrPartition:
    """A partition; `first` and `size` in MiB."""
    return MbrPartition(number, active, kind, first * MIB, size * MIB)


RESERVED = entry(1, 1, 100, active=True)
WINDOWS = entry(2, 101, 4000)


def disk(*entries: MbrPartition, size: int = 8192, windows: int = 2, **other: Any) -> Survey:
    """A disk of `size` MiB; `other` is what is not as in a disk that can be converted."""
    entries = entries or (RESERVED, WINDOWS)
    system = next((each.number for each in entries if each.active), 0)
    volumes = tuple(
        Volume(f"/dev/sdb{e.number}", e.number, e.first * 512, e.sectors * 512, "ntfs")
        for e in entries
    )
    inspection = Inspection(
        OsFamily.WINDOWS, "Windows", "10.0.20348", "x86_64", "M", Firmware.BIOS,
        f"/dev/sdb{windows}", volumes, (), (), (), (), windows=FACTS,
    )  # fmt: skip
    found = Survey(
        sector_size=512,
        sectors=size * MIB,
        table=Mbr(SIGNATURE, entries),
        inspection=inspection,
        windows=windows,
        system=system,
        system_names=("BOOTNXT", "BOOTSECT.BAK", "Boot", "System Volume Information", "bootmgr"),
        smallest=GIB,
        boot_manager=True,
        winload=True,
        loader_bytes=30 << 20,
        store=store(entries, windows, system or windows),
    )
    return replace(found, **other)


def store(entries: Sequence[MbrPartition], windows: int, system: int) -> bytes:
    """The boot store of a BIOS' Windows on the partition `windows`, as the lab writes it."""
    places = {each.number: on_mbr(SIGNATURE, Extent(each.first, each.sectors)) for each in entries}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "BCD")
        master = WindowsMaster(Firmware.BIOS)
        write_bcd(file, master, Places(places.get(system, places[windows]), places[windows]))
        return file.read_bytes()


def drive(first: int, signature: int = SIGNATURE) -> bytes:
    """A value of `MountedDevices`; `first` in sectors."""
    return struct.pack("<IQ", signature, first * 512)
