"""The machine underneath: its disks, their volumes, and the PCI functions they lie behind."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PCI_ADDRESS: Final = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_BUSES: Final = ("pci", "virtio", "vmbus", "xen")
_ALWAYS: Final = ("button", "evdev")
_NOT_DISKS: Final = ("loop", "ram", "zram", "sr", "fd", "dm-")


@dataclass(frozen=True)
class Volume:
    """A partition; `kind` is `ntfs`, `bitlocker`, `fat` or `other`."""

    number: int
    device: str
    kind: str


@dataclass(frozen=True)
class PciFunction:
    """A PCI function's identity, as its configuration space states it."""

    address: str
    vendor: int
    device: int
    subsystem_vendor: int
    subsystem: int
    revision: int
    class_code: int

    def hardware_ids(self) -> list[str]:
        """Hardware ids, then compatible ones, best first ("Identifiers for PCI devices")."""
        base = f"VEN_{self.vendor:04X}&DEV_{self.device:04X}"
        subsystem = f"SUBSYS_{self.subsystem:04X}{self.subsystem_vendor:04X}"
        long_class, short_class = f"CC_{self.class_code:06X}", f"CC_{self.class_code >> 8:04X}"
        return [
            f"{base}&{subsystem}&REV_{self.revision:02X}",
            f"{base}&{subsystem}",
            f"{base}&{long_class}",
            f"{base}&{short_class}",
            f"{base}&REV_{self.revision:02X}",
            base,
            f"VEN_{self.vendor:04X}&{long_class}",
            f"VEN_{self.vendor:04X}&{short_class}",
            f"VEN_{self.vendor:04X}",
            long_class,
            short_class,
        ]

    @property
    def is_ide(self) -> bool:
        """True for an IDE controller, whose channels are devices of their own."""
        return self.class_code >> 8 == 0x0101


def load_drivers() -> None:
    """Load the kernel modules of all devices there are, of SCSI disks and of NTFS and FAT."""
    aliases = {
        path.read_text().strip()
        for bus in _BUSES
        for path in Path("/sys/bus", bus, "devices").glob("*/modalias")
    }
    busybox("modprobe", "-a", "-q", *sorted(aliases), "sd_mod", "ntfs3", "vfat", *_ALWAYS)


def busybox(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Run an applet and return how it went."""
    return subprocess.run(["/bin/busybox", *words], capture_output=True, check=False)


def find_disk(identity: str, seconds: float) -> str | None:
    """Name in /sys/block of the disk with `identity` (`mbr:1a2b3c4d` or `gpt:GUID`), or None.

    It is found by what is written on it, as a boot loader's configuration does it, so that a
    second disk in the machine is never taken for it. Waits up to `seconds` for it to appear.
    """
    deadline = time.monotonic() + seconds
    while True:
        for disk in sorted(Path("/sys/block").iterdir()):
            if not disk.name.startswith(_NOT_DISKS) and _identity(disk) == identity:
                return disk.name
        if time.monotonic() > deadline:
            return None
        time.sleep(0.1)


def _identity(disk: Path) -> str:
    sector = int((disk / "queue/logical_block_size").read_text())
    start = _read(f"/dev/{disk.name}", 0, 2 * sector)
    if start[sector : sector + 8] == b"EFI PART":
        return f"gpt:{uuid.UUID(bytes_le=start[sector + 56 : sector + 72])}"
    return f"mbr:{struct.unpack_from('<I', start.ljust(444), 440)[0]:08x}"


def _read(device: str, offset: int, length: int) -> bytes:
    try:
        descriptor = os.open(device, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, length, offset)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def volumes(disk: str, seconds: float = 5.0) -> list[Volume]:
    """The disk's partitions in order of their numbers.

    Waits up to `seconds` for them: the kernel shows a disk before it has read its partition table,
    which took longest on the second of two NVMe controllers.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = _volumes(disk)
        if any(volume.kind != "other" for volume in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def _volumes(disk: str) -> list[Volume]:
    found = []
    for partition in Path("/sys/block", disk).glob(f"{disk}*/partition"):
        device = f"/dev/{partition.parent.name}"
        found.append(Volume(int(partition.read_text()), device, _kind(_read(device, 0, 512))))
    return sorted(found, key=lambda volume: volume.number)


def _kind(boot_sector: bytes) -> str:
    names = {b"NTFS    ": "ntfs", b"-FVE-FS-": "bitlocker"}
    return names.get(boot_sector[3:11], "fat" if boot_sector[82:87] == b"FAT32" else "other")


def controller(disk: str) -> PciFunction | None:
    """The PCI function that the disk lies behind."""
    addresses = _PCI_ADDRESS.findall(str(Path("/sys/block", disk).resolve()))
    return _function(addresses[-1]) if addresses else None


def network_functions() -> Iterator[tuple[str, PciFunction]]:
    """Every network interface that the kernel drives, with its PCI function."""
    for interface in sorted(Path("/sys/class/net").iterdir()):
        addresses = _PCI_ADDRESS.findall(str(interface.resolve()))
        if addresses:
            yield interface.name, _function(addresses[-1])


def _function(address: str) -> PciFunction:
    def number(name: str) -> int:
        return int(Path("/sys/bus/pci/devices", address, name).read_text(), 16)

    return PciFunction(
        address,
        number("vendor"),
        number("device"),
        number("subsystem_vendor"),
        number("subsystem_device"),
        number("revision"),
        number("class"),
    )
