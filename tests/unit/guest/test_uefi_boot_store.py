"""The boot store for UEFI, made of a BIOS' one: it is what the lab writes for UEFI, and no setting
is lost."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

import pytest

from imageport.guest.uefi.boot_store import (
    Binding,
    Moves,
    changes,
    converted,
    default_device,
    holds,
)
from imageport.guest.uefi.drives import edits
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.hive import Hive
from imageport.guest.windows.places import BOOT_MANAGER
from imageport.guest.windows.registry_value import Value
from imageport.model.conversion import NewPartition, PartitionRole
from imageport.model.target import Firmware
from lab.guests.disk_image import Extent
from lab.guests.windows_bcd import Places, write_bcd
from lab.guests.windows_devices import on_gpt, on_mbr
from lab.guests.windows_spec import MbrLayout, WindowsMaster
from tests.unit.guest.uefi_disks import SIGNATURE, drive

DISK, ESP, OS, RECOVERY = (uuid.UUID(int=each) for each in (1, 2, 3, 4))
EXTENTS = (Extent(2048, 102_400), Extent(104_448, 1 << 22), Extent(1 << 23, 102_400))
OLD = tuple(on_mbr(SIGNATURE, extent) for extent in EXTENTS)
NEW = tuple(on_gpt(DISK, each) for each in (ESP, OS, RECOVERY))
MOVES = Moves(
    tuple(
        (Binding.of_mbr(SIGNATURE, extent.offset), Binding.of_gpt(DISK, unique))
        for extent, unique in zip(EXTENTS, (ESP, OS, RECOVERY), strict=True)
    ),
    esp=Binding.of_gpt(DISK, ESP),
    windows=Binding.of_gpt(DISK, OS),
)
LOADER = "{b2721d73-1db4-4c62-bf78-c548a880142d}"


def written(folder: Path, firmware: Firmware) -> Path:
    """The lab's store, with a recovery environment."""
    file = folder / f"BCD-{firmware}"
    places = Places(*(NEW if firmware is Firmware.UEFI else OLD))
    write_bcd(file, WindowsMaster(firmware, layout=MbrLayout.RECOVERY), places)
    return file


def content(store: bytes, folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every value of the store by its path."""
    file = folder / "content"
    file.write_bytes(store)
    found: dict[str, tuple[int, bytes]] = {}
    with Hive.open(file) as hive:
        waiting = [hive.root]
        while waiting:
            key = waiting.pop()
            waiting += key.subkeys()
            found |= {f"{key.path}\\{v.name}": (v.type, v.data) for v in key.values()}
    return found


def edited(file: Path, path: str, value: Value) -> bytes:
    with Hive.open(file, writable=True) as hive:
        hive.ensure_key(path).set(value)
        hive.commit()
    return file.read_bytes()


def test_it_becomes_what_the_lab_writes_for_uefi(tmp_path: Path) -> None:
    """Devices within RAM disks, paths, lists: byte for byte."""
    store = written(tmp_path, Firmware.BIOS).read_bytes()
    made = converted(store, changes(store, MOVES))
    wanted = content(written(tmp_path, Firmware.UEFI).read_bytes(), tmp_path)
    assert content(made, tmp_path) == wanted
    assert content(store, tmp_path) != wanted


def test_twice_changes_nothing_more(tmp_path: Path) -> None:
    store = written(tmp_path, Firmware.BIOS).read_bytes()
    made = converted(store, changes(store, MOVES))
    assert changes(made, MOVES) == ()


def test_what_was_set_stays(tmp_path: Path) -> None:
    """Settings that the lab's store does not have: EMS, a longer timeout, another language."""
    file = written(tmp_path, Firmware.BIOS)
    kept = {
        rf"Objects\{LOADER}\Elements\260000b0": Value.from_binary("Element", b"\1"),
        rf"Objects\{LOADER}\Elements\12000005": Value.from_text("Element", "de-DE"),
        rf"Objects\{BOOT_MANAGER}\Elements\25000004": Value.from_binary("Element", b"\x07" * 8),
        r"Objects\{0ce4991b-e6b3-4b16-b23c-5e0d9250e5d9}\Elements\16000020": Value.from_binary(
            "Element", b"\1"
        ),
    }
    for path, value in kept.items():
        edited(file, path, value)
    store = file.read_bytes()
    found = content(converted(store, changes(store, MOVES)), tmp_path)
    for path, value in kept.items():
        assert found[rf"{path}\Element"] == (value.type, value.data)


def test_a_store_that_names_the_boot_partition(tmp_path: Path) -> None:
    """What sysprep leaves: Windows is where the boot manager is; now it is elsewhere."""
    file = written(tmp_path, Firmware.BIOS)
    boot = Value.from_binary("Element", bytes(16) + Binding.boot().data)
    for element in ("11000001", "21000001"):
        edited(file, rf"Objects\{LOADER}\Elements\{element}", boot)
    store = file.read_bytes()
    assert default_device(store) == Binding.boot()
    made = converted(store, changes(store, MOVES))
    assert default_device(made) == Binding.of_gpt(DISK, OS)


def test_another_disk_stays_another_disk(tmp_path: Path) -> None:
    file = written(tmp_path, Firmware.BIOS)
    other = on_mbr(SIGNATURE + 1, EXTENTS[1]).element
    path = rf"Objects\{LOADER}\Elements\21000001"
    store = edited(file, path, Value.from_binary("Element", other))
    assert default_device(store) not in (Binding.of_mbr(SIGNATURE, EXTENTS[1].offset), None)
    made = content(converted(store, changes(store, MOVES)), tmp_path)
    assert made[rf"{path}\Element"][1] == other


@pytest.mark.parametrize("kind", [0x10300006, 0x10400008])
def test_entries_of_a_bios_go(tmp_path: Path, kind: int) -> None:
    file = written(tmp_path, Firmware.BIOS)
    old = "{466f5a88-0af2-4f76-9038-095b170dc21c}"
    edited(file, rf"Objects\{old}\Description", Value.from_dword("Type", kind))
    edited(file, rf"Objects\{old}\Elements\12000002", Value.from_text("Element", r"\ntldr"))
    listed = Value.from_strings("Element", [LOADER, old.upper()])
    store = edited(file, rf"Objects\{BOOT_MANAGER}\Elements\24000001", listed)
    wanted = changes(store, MOVES)
    made = converted(store, wanted)
    found = content(made, tmp_path)
    assert not [path for path in found if old in path]
    order = Value.from_strings("Element", [LOADER])
    assert found[rf"Objects\{BOOT_MANAGER}\Elements\24000001\Element"] == (order.type, order.data)
    assert all(holds(made, change) for change in wanted)


def test_what_is_not_there_does_not_hold(tmp_path: Path) -> None:
    store = written(tmp_path, Firmware.BIOS).read_bytes()
    wanted = changes(store, MOVES)
    assert len(wanted) == 14, "of five entries and the options of a RAM disk"
    assert not [change for change in wanted if holds(store, change)]


def test_drives_are_named_by_guids() -> None:
    esp = NewPartition(1, PartitionRole.EFI_SYSTEM, str(ESP), 2048, 102_400, made=True)
    windows = NewPartition(2, PartitionRole.BASIC_DATA, str(OS), 104_448, 1 << 22)
    values = [
        Value.from_binary(r"\DosDevices\C:", drive(104_448)),
        Value.from_binary(r"\??\Volume{1}", drive(2048)),
        Value.from_binary(r"\DosDevices\E:", drive(104_448, SIGNATURE + 1)),
        Value.from_binary(r"\DosDevices\F:", drive(4096)),
        Value.from_binary(r"\DosDevices\D:", "IDE#CdRom".encode("utf-16-le")),
        Value.from_binary(r"\DosDevices\G:", b"DMIO:ID:" + DISK.bytes_le),
    ]
    by_offset = {2048 * 512: esp, 104_448 * 512: windows}
    letter, volume = edits(values, SIGNATURE, by_offset)
    assert isinstance(letter, SetValue)
    assert letter.value == Value.from_binary(r"\DosDevices\C:", b"DMIO:ID:" + OS.bytes_le)
    assert isinstance(volume, DropValue)
    assert volume.name == r"\??\Volume{1}"
    assert struct.unpack("<IQ", bytes.fromhex(volume.before.removeprefix("hex:"))) == (
        SIGNATURE, 2048 * 512
    )  # fmt: skip
