"""Reading back from the disk what a conversion wrote."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from imageport.guest.esp import checksum
from imageport.guest.guest import Guest
from imageport.guest.mount import open_guest
from imageport.guest.session import Session
from imageport.guest.uefi import boot_store
from imageport.guest.uefi.draft import DRIVES, ESP, STORE, TABLE, Draft
from imageport.guest.uefi.layout import gpt_entries
from imageport.guest.uefi.survey import esp_files
from imageport.host.partition_table import device_reader, gpt, mbr
from imageport.model.conversion import Layout
from imageport.model.guest import Check
from imageport.model.target import Firmware


def verify(disk: str, drafted: Draft, planned: Layout) -> tuple[Check, ...]:
    """Every part of the conversion, read from the block device `disk`."""
    with open_guest(disk, writable=False) as guest:
        with Session(guest, writable=False) as session:
            letters = [edit.check(session, DRIVES) for edit in drafted.drives]
        return (
            *_table(disk, drafted, planned),
            *_guest(guest, planned),
            *_esp(guest),
            *_store(guest, drafted),
            *letters,
        )


def _table(disk: str, drafted: Draft, planned: Layout) -> Iterator[Check]:
    read_at = device_reader(disk)
    sectors = drafted.survey.sectors
    wanted = gpt_entries(planned)
    for name, place in (("first", 1), ("second", sectors - 1)):
        found = gpt(read_at, place)
        good = (
            found is not None
            and found.disk == uuid.UUID(planned.disk)
            and found.partitions == wanted
            and found.sectors == sectors
        )
        seen = f"{len(found.partitions)} partitions" if found else "no sound table"
        yield Check(TABLE, f"{name} table", good, seen)
    protected = mbr(read_at) is None
    yield Check(TABLE, "protective MBR", protected, "there" if protected else "another MBR")


def _guest(guest: Guest, planned: Layout) -> Iterator[Check]:
    uefi = guest.firmware is Firmware.UEFI
    yield Check(ESP, "the image is one for UEFI", uefi, str(guest.firmware))
    number = next(v.number for v in guest.volumes if v.device == guest.device)
    yield Check(TABLE, "Windows' partition", number == planned.windows, f"partition {number}")


def _esp(guest: Guest) -> Iterator[Check]:
    for source, place in esp_files(guest):
        copy = guest.find_esp(place)
        equal = copy is not None and checksum(copy) == checksum(source)
        yield Check(ESP, "boot loader's file", equal, f"{place}: {'equal' if equal else 'differs'}")


def _store(guest: Guest, drafted: Draft) -> Iterator[Check]:
    file = guest.find_esp(boot_store.STORE)
    store = file.read_bytes() if file else b""
    for change in drafted.store_changes:
        holds = bool(store) and boot_store.holds(store, change)
        seen = f"{change.key}: {'as written' if holds else 'differs'}"
        yield Check(STORE, change.what, holds, seen)
