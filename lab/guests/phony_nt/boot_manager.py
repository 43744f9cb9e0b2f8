"""What the Windows Boot Manager reads before any of Windows: its store, the BCD."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive, Key
from imageport.model.errors import ImageportError

from . import machine
from .drivers import resolve

_STORES: Final = {True: ("fat", r"EFI\Microsoft\Boot\BCD"), False: ("ntfs", r"Boot\BCD")}
"""By firmware, UEFI or not: the kind of volume that the store lies on, and its path."""
_MOUNTED: Final = Path("/b")
_MANAGER: Final = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
_DEFAULT: Final = "23000003"
_APPLICATION: Final = "12000002"
_OS_DEVICE: Final = "21000001"


class BootStoreError(Exception):
    """The store is missing, damaged, or leads to no loader."""


@dataclass(frozen=True)
class Entry:
    """The loader that the boot manager starts: its object's id, its program's path, and the name of
    its partition (see `machine.Volume`); None when it is no partition."""

    identity: str
    program: str
    partition: bytes | None


def default_entry(volumes: list[machine.Volume]) -> Entry:
    """The default entry of the first store on `volumes`; raises `BootStoreError`."""
    kind, path = _STORES[machine.is_uefi()]
    for volume in volumes:
        if volume.kind != kind:
            continue
        with _mounted(volume) as root:
            store = resolve(root, path)
            if store:
                return _read(store, path)
    raise BootStoreError("no boot configuration store was found")


@contextmanager
def _mounted(volume: machine.Volume) -> Iterator[Path]:
    kind = {"fat": "vfat", "ntfs": "ntfs3"}[volume.kind]
    _MOUNTED.mkdir(exist_ok=True)
    done = machine.busybox("mount", "-r", "-t", kind, volume.device, str(_MOUNTED))
    try:
        yield _MOUNTED
    finally:
        if done.returncode == 0:
            machine.busybox("umount", str(_MOUNTED))


def _read(store: Path, path: str) -> Entry:
    try:
        with Hive.open(store) as hive:
            manager = hive.key(f"Objects\\{_MANAGER}")
            identity = _element(manager, _DEFAULT)
            entry = hive.key(f"Objects\\{identity}")
            program = _element(entry, _APPLICATION)
            partition = _partition(entry)
    except ImageportError as damaged:
        raise BootStoreError(f"{path}: {damaged.message}") from damaged
    if identity is None or program is None:
        raise BootStoreError(f"{path} names no default entry with a program")
    return Entry(identity, program, partition)


def _partition(entry: Key | None) -> bytes | None:
    """The name in the entry's device element: behind options (16 bytes) and a head (16) whose type,
    6, says that it is a partition."""
    element = entry.key(f"Elements\\{_OS_DEVICE}") if entry else None
    value = element.value("Element") if element else None
    if value is None or value.data[16:20] != b"\6\0\0\0":
        return None
    return value.data[32:72]


def _element(entry: Key | None, name: str) -> str | None:
    element = entry.key(f"Elements\\{name}") if entry else None
    return element.text("Element") if element else None
