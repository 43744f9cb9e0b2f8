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
_EFI_VARIABLES: Final = Path("/sys/firmware/efi/efivars")
_LOADER_VENDOR: Final = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_NOT_DISKS: Final = ("loop", "ram", "zram", "sr", "fd", "dm-")


@dataclass(frozen=True)
class Volume:
    """A partition; `kind` is `ntfs`, `bitlocker`, `fat` or `other`.

    `name` is how the boot store names it: the partition, the kind of disk and of its table (0 GPT,
    1 MBR), the disk; 40 bytes.
    """

    number: int
    device: str
    kind: str
    name: bytes


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
    """Name in /sys/block of the disk with `identity` (`mbr:1a2b3c4d`, `gpt:GUID`), or None.

    It is found by what is written on it, as a boot loader's configuration does it, so that a
    second disk in the machine is never taken for it. `loader` is the disk with the partition that
    the firmware started the boot loader from. Waits up to `seconds` for it to appear.
    """
    if identity == "loader":
        identity = f"partition:{_loader_partition()}"
    deadline = time.monotonic() + seconds
    while True:
        for disk in sorted(Path("/sys/block").iterdir()):
            if not disk.name.startswith(_NOT_DISKS) and identity in _identities(disk):
                return disk.name
        if time.monotonic() > deadline:
            return None
        time.sleep(0.1)


def is_uefi() -> bool:
    """Whether UEFI started this machine."""
    return Path("/sys/firmware/efi").exists()


def _loader_partition() -> str:
    """The GUID that systemd's stub says it was started from (systemd-boot(7), LoaderDevicePartUUID:
    four bytes of attributes, then UTF-16)."""
    busybox("modprobe", "-q", "efivarfs")
    busybox("mount", "-t", "efivarfs", "efivarfs", str(_EFI_VARIABLES))
    variable = _EFI_VARIABLES / f"LoaderDevicePartUUID-{_LOADER_VENDOR}"
    data = variable.read_bytes() if variable.exists() else b""
    return data[4:].decode("utf-16-le").rstrip("\0").lower()


def _identities(disk: Path) -> set[str]:
    """Of a GPT disk, its GUID and its partitions'; of another, its signature."""
    found = _gpt(disk)
    if found is None:
        start = _read(f"/dev/{disk.name}", 0, 512).ljust(512)
        return {f"mbr:{struct.unpack_from('<I', start, 440)[0]:08x}"}
    identity, partitions = found
    return {f"gpt:{identity}", *(f"partition:{each}" for each in partitions.values())}


def _gpt(disk: Path) -> tuple[uuid.UUID, dict[int, uuid.UUID]] | None:
    """The GUIDs of a GPT disk and, by their numbers, of its partitions."""
    sector = int((disk / "queue/logical_block_size").read_text())
    header = _read(f"/dev/{disk.name}", sector, 92)
    if header[:8] != b"EFI PART":
        return None
    table, count, size = struct.unpack_from("<QII", header, 72)
    rows = _read(f"/dev/{disk.name}", table * sector, count * size)
    entries = ((number, rows[number * size :]) for number in range(count))
    guids = {number + 1: uuid.UUID(bytes_le=row[16:32]) for number, row in entries if any(row[:16])}
    return uuid.UUID(bytes_le=header[56:72]), guids


def _name(disk: Path, number: int, start: int) -> bytes:
    """See `Volume.name`; the partition begins `start` bytes into the disk."""
    found = _gpt(disk)
    if found:
        identity, partitions = found
        return partitions[number].bytes_le + struct.pack("<II", 0, 0) + identity.bytes_le
    signature = _read(f"/dev/{disk.name}", 440, 4).ljust(4)
    return struct.pack("<QQII", start, 0, 0, 1) + signature + bytes(12)


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
        number, kind = int(partition.read_text()), _kind(_read(device, 0, 512))
        # sysfs counts in sectors of 512 bytes whatever the disk's own are.
        start = int((partition.parent / "start").read_text()) * 512
        found.append(Volume(number, device, kind, _name(Path("/sys/block", disk), number, start)))
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
