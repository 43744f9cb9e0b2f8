r"""The boot store (BCD) for UEFI, made of the one for BIOS: every entry is kept, with its settings.

What changes is where things lie and which programs start: partitions are named by their GUIDs, the
boot manager and the memory test lie on the EFI system partition, loaders are those for UEFI.

A device element ("BCD elements", Microsoft; the layout as its readers agree on it): 16 bytes of a
GUID of options, then a device: its type, flags and length, and what is to be found there. A
partition (type 6, 72 bytes) is named by 16 bytes of itself, the kind of disk, the kind of its table
(0 GPT, 1 MBR) and 16 bytes of the disk: GUIDs with a GPT, the offset in bytes and the signature
with an MBR. Files and RAM disks hold the device that they lie on, in the same form.
"""

from __future__ import annotations

import struct
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from imageport.guest.windows.hive import Hive, Key
from imageport.guest.windows.places import BOOT_MANAGER
from imageport.guest.windows.registry_value import Value

STORE: Final = "EFI/Microsoft/Boot/BCD"
_MANAGER: Final = r"\EFI\Microsoft\Boot\bootmgfw.efi"
_MEMORY_TEST: Final = r"\EFI\Microsoft\Boot\memtest.efi"

_TYPE_MANAGER: Final = 0x10100002
_TYPE_LOADER: Final = 0x10200003
_TYPE_RESUME: Final = 0x10200004
_TYPE_MEMORY_TEST: Final = 0x10200005
_ON_ESP: Final = {_TYPE_MANAGER: _MANAGER, _TYPE_MEMORY_TEST: _MEMORY_TEST}
_PROGRAMS: Final = {_TYPE_LOADER: ("winload.exe", "winload.efi"),
                    _TYPE_RESUME: ("winresume.exe", "winresume.efi")}  # fmt: skip
_LEGACY: Final = (0x10300006, 0x10400008, 0x10400009)
"""NTLDR, boot sectors and programs of a BIOS: nothing of them starts under UEFI."""
_LISTS: Final = ("24000001", "24000002", "24000010")
"""Display order, boot sequence and tools: lists of the boot manager that name entries."""

DEVICE: Final = "11000001"
PATH: Final = "12000002"
OS_DEVICE: Final = "21000001"
_DEFAULT: Final = "23000003"
_FORMAT_DEVICE: Final = 1
_PARTITION: Final = struct.Struct("<IIII16sII16s16x")
_BOOT: Final = struct.pack("<IIII", 5, 0, 0x48, 0) + bytes(56)
_NAME: Final = slice(16, 56)
_BLOCK_DEVICE: Final = 6
_LENGTH: Final = 0x48
_MBR: Final = 1
_OPTIONS: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class Binding:
    """A device as an element names it, from its type on."""

    data: bytes

    @classmethod
    def of_mbr(cls, signature: int, offset: int) -> Self:
        """The partition that begins `offset` bytes into the disk with this signature."""
        place, disk = struct.pack("<QQ", offset, 0), struct.pack("<I12x", signature)
        return cls(_PARTITION.pack(_BLOCK_DEVICE, 0, _LENGTH, 0, place, 0, _MBR, disk))

    @classmethod
    def of_gpt(cls, disk: uuid.UUID, partition: uuid.UUID) -> Self:
        """The partition with this GUID, on the disk with that one."""
        unique, whole = partition.bytes_le, disk.bytes_le
        return cls(_PARTITION.pack(_BLOCK_DEVICE, 0, _LENGTH, 0, unique, 0, 0, whole))

    @classmethod
    def boot(cls) -> Self:
        """The partition that the boot manager was started from."""
        return cls(_BOOT)

    @property
    def name(self) -> bytes:
        """The partition's and the disk's names alone."""
        return self.data[_NAME]


@dataclass(frozen=True, slots=True)
class Moves:
    """How partitions are named now: `by_old` has pairs of each one's name with the MBR and its new
    one."""

    by_old: tuple[tuple[Binding, Binding], ...]
    esp: Binding
    windows: Binding


@dataclass(frozen=True, slots=True)
class StoreChange:
    """One value of the store that becomes another; with `after` None its object is deleted."""

    key: str
    before: Value | None
    after: Value | None
    what: str


def default_device(store: bytes) -> Binding | None:
    """What the default entry names as the partition with Windows."""
    with _opened(store) as hive:
        manager = hive.key(rf"Objects\{BOOT_MANAGER}")
        default = _element(manager, _DEFAULT)
        entry = hive.key(rf"Objects\{default.text}") if default and default.text else None
        device = _element(entry, OS_DEVICE)
    if device is None or len(device.data) < 32:
        return None
    data = device.data[16:]
    return Binding.boot() if data[:4] == _BOOT[:4] else Binding(data[:_LENGTH])


def changes(store: bytes, moves: Moves) -> tuple[StoreChange, ...]:
    """Every change that makes of a BIOS' store one for UEFI. Raises what `Hive.open` raises."""
    with _opened(store) as hive:
        objects = hive.key("Objects")
        entries = objects.subkeys() if objects else ()
        gone = [entry.name.casefold() for entry in entries if _type(entry) in _LEGACY]
        found = [change for entry in entries for change in _of_object(entry, moves, gone)]
    return tuple(each for each in found if each.after is None or each.before != each.after)


def converted(store: bytes, wanted: tuple[StoreChange, ...]) -> bytes:
    """The store with the changes made."""
    with tempfile.TemporaryDirectory(prefix="imageport-bcd-") as folder:
        file = Path(folder, "BCD")
        file.write_bytes(store)
        with Hive.open(file, writable=True) as hive:
            for change in wanted:
                if change.after is None:
                    hive.root.delete_key(change.key)
                else:
                    hive.ensure_key(change.key).set(change.after)
            hive.commit()
        return file.read_bytes()


def holds(store: bytes, change: StoreChange) -> bool:
    """Whether the store has what the change makes."""
    with _opened(store) as hive:
        key = hive.key(change.key)
        if change.after is None:
            return key is None
        return key is not None and key.value("Element") == change.after


@contextmanager
def _opened(store: bytes) -> Iterator[Hive]:
    """The store, open for reading."""
    with tempfile.TemporaryDirectory(prefix="imageport-bcd-") as folder:
        file = Path(folder, "BCD")
        file.write_bytes(store)
        with Hive.open(file) as hive:
            yield hive


def _of_object(entry: Key, moves: Moves, gone: list[str]) -> Iterator[StoreChange]:
    kind = _type(entry)
    if entry.name.casefold() in gone:
        yield StoreChange(entry.path, None, None, "entry of a BIOS' loader")
        return
    if kind in _ON_ESP:
        device = Value.from_binary("Element", _OPTIONS + moves.esp.data)
        yield _set(entry, DEVICE, device, "lies on the EFI system partition")
        yield _set(entry, PATH, Value.from_text("Element", _ON_ESP[kind]), "program for UEFI")
    if kind in _PROGRAMS:
        yield from _program(entry, *_PROGRAMS[kind])
    elements = entry.key("Elements")
    for element in elements.subkeys() if elements else ():
        value = element.value("Element")
        if value is None or (kind in _ON_ESP and element.name == DEVICE):
            continue
        if int(element.name, 16) >> 24 & 0xF == _FORMAT_DEVICE:
            moved = Value.from_binary("Element", _moved(value.data, moves))
            yield StoreChange(element.path, value, moved, "partition named by its GUID")
        elif element.name in _LISTS and value.strings:
            kept = [each for each in value.strings if each.casefold() not in gone]
            listed = Value.from_strings("Element", kept)
            if len(kept) != len(value.strings):
                yield StoreChange(element.path, value, listed, "without entries of a BIOS")


def _program(entry: Key, old: str, new: str) -> Iterator[StoreChange]:
    value = _element(entry, PATH)
    path = value.text if value else None
    if path and path.casefold().endswith(f"\\{old}"):
        program = Value.from_text("Element", path[: -len(old)] + new)
        yield _set(entry, PATH, program, "program for UEFI")


def _moved(data: bytes, moves: Moves) -> bytes:
    """The element with every partition in it, however deep, named as it is now."""
    for old, new in moves.by_old:
        data = data.replace(old.name, new.name)
    if data[16:20] == _BOOT[:4]:
        # The boot manager's partition is another now; Windows was on the old one.
        data = data[:16] + moves.windows.data
    return data


def _set(entry: Key, element: str, value: Value, what: str) -> StoreChange:
    return StoreChange(rf"{entry.path}\Elements\{element}", _element(entry, element), value, what)


def _element(entry: Key | None, element: str) -> Value | None:
    key = entry.key(rf"Elements\{element}") if entry else None
    return key.value("Element") if key else None


def _type(entry: Key) -> int | None:
    description = entry.key("Description")
    return description.number("Type") if description else None
