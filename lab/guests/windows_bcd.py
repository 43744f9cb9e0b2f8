"""The boot store (BCD) of a phony Windows."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive
from imageport.model.target import Firmware
from lab.guests.blank_hive import blank_hive
from lab.guests.registry_data import Data, put
from lab.guests.windows_devices import Place
from lab.guests.windows_spec import MbrLayout, WindowsMaster
from lab.guests.windows_states import boot_device

_LOADER: Final = "{b2721d73-1db4-4c62-bf78-c548a880142d}"
_BOOT_MANAGER: Final = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
_RESUME: Final = "{b2721d72-1db4-4c62-bf78-c548a880142d}"
_MEMORY_TEST: Final = "{b2721d73-1db4-4c62-bf78-c548a880142e}"
_RECOVERY: Final = "{b2721d74-1db4-4c62-bf78-c548a880142d}"
_RECOVERY_OPTIONS: Final = "{b2721d75-1db4-4c62-bf78-c548a880142d}"
_IMAGE: Final = r"\Recovery\WindowsRE\Winre.wim"


@dataclass(frozen=True, slots=True)
class Places:
    """The partitions that the store names."""

    system: Place
    """With the boot manager."""
    windows: Place
    recovery: Place | None = None


def write_bcd(file: Path, master: WindowsMaster, places: Places | None = None) -> None:
    """Write a boot configuration store: the boot manager and one loader that it starts.

    With `places` also what setup adds: a loader that resumes, a memory test, and, with a recovery
    partition, the recovery environment.
    """
    uefi = master.firmware is Firmware.UEFI
    suffix = "efi" if uefi else "exe"
    windows = boot_device(master, places.windows if places else None)
    manager: dict[str, Data] = {
        "23000003": _LOADER,
        "24000001": [_LOADER],
        "25000004": struct.pack("<Q", 30),
    }
    loader: dict[str, Data] = {
        "12000002": f"\\Windows\\system32\\winload.{suffix}",
        "12000004": "Windows",
        "16000009": b"\1",
        "22000002": "\\Windows",
        "11000001": windows,
        "21000001": windows,
    }
    file.write_bytes(blank_hive("NewStoreRoot", "BCD"))
    with Hive.open(file, writable=True) as hive:
        put(hive, "Description", {"KeyName": "BCD00000000", "System": 1})
        if places:
            manager |= {"11000001": places.system.element, "24000010": [_MEMORY_TEST]}
            loader |= {
                "12000005": "en-US",
                "25000020": struct.pack("<Q", 1),
                "23000003": _RESUME,
            }
            if uefi:
                manager["12000002"] = "\\EFI\\Microsoft\\Boot\\bootmgfw.efi"
            _put_resume(hive, places, windows, suffix)
            _put_memory_test(hive, places, uefi=uefi)
            if places.recovery and master.layout is MbrLayout.RECOVERY:
                loader["14000008"] = [_RECOVERY]
                _put_recovery(hive, places.recovery, suffix)
        _put_object(hive, _BOOT_MANAGER, 0x10100002, manager)
        _put_object(hive, _LOADER, 0x10200003, loader)
        hive.commit()


def _put_resume(hive: Hive, places: Places, windows: bytes, suffix: str) -> None:
    elements: dict[str, Data] = {
        "11000001": windows,
        "12000002": f"\\Windows\\system32\\winresume.{suffix}",
        "12000004": "Windows Resume Application",
        "21000001": places.windows.element,
        "22000002": "\\hiberfil.sys",
    }
    _put_object(hive, _RESUME, 0x10200004, elements)


def _put_memory_test(hive: Hive, places: Places, *, uefi: bool) -> None:
    path = "\\EFI\\Microsoft\\Boot\\memtest.efi" if uefi else "\\boot\\memtest.exe"
    elements: dict[str, Data] = {
        "11000001": places.system.element,
        "12000002": path,
        "12000004": "Windows Memory Diagnostic",
    }
    _put_object(hive, _MEMORY_TEST, 0x10200005, elements)


def _put_recovery(hive: Hive, place: Place, suffix: str) -> None:
    """A Windows in a RAM disk, and the options of that disk."""
    disk = place.ramdisk(_IMAGE)
    elements: dict[str, Data] = {
        "11000001": disk,
        "12000002": f"\\windows\\system32\\winload.{suffix}",
        "12000004": "Windows Recovery Environment",
        "21000001": disk,
        "22000002": "\\windows",
        "26000022": b"\1",
    }
    _put_object(hive, _RECOVERY, 0x10200003, elements)
    options: dict[str, Data] = {
        "31000003": place.element,
        "32000004": "\\Recovery\\WindowsRE\\boot.sdi",
    }
    _put_object(hive, _RECOVERY_OPTIONS, 0x30000000, options)


def _put_object(hive: Hive, identity: str, kind: int, elements: dict[str, Data]) -> None:
    place = f"Objects\\{identity}"
    put(hive, f"{place}\\Description", {"Type": kind})
    for number, data in elements.items():
        put(hive, f"{place}\\Elements\\{number}", {"Element": data})
