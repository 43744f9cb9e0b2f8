"""How Windows names a partition: in the boot store's device elements and in `MountedDevices`."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from lab.guests.disk_image import Extent


@dataclass(frozen=True, slots=True)
class Place:
    """A partition's names. `name` is the 40 bytes of a device element that say which it is: itself,
    the kind of its disk, the kind of the table (0 GPT, 1 MBR), the disk."""

    name: bytes
    drive: bytes
    """Its value in `MountedDevices`."""

    @property
    def element(self) -> bytes:
        """A device element: options, type 6 (partition), flags, length, names, unused."""
        return bytes(16) + struct.pack("<IIII", 6, 0, 0x48, 0) + self.name + bytes(16)

    def ramdisk(self, path: str) -> bytes:
        """A device element of a RAM disk made of the file `path` there: type 0, with a file (type 5
        within) that names its own device."""
        file = struct.pack("<IIII", 6, 0, 0x48, 0) + self.name + bytes(16)
        text = f"{path}\0".encode("utf-16-le")
        content = struct.pack("<II", 3, 0) + bytes(20) + struct.pack("<I", 5) + file + text
        head = struct.pack("<IIII", 0, 1, 16 + len(content), 0)
        return uuid.UUID("5b970157-8568-11eb-b45c-806e6f6e6963").bytes_le + head + content


def on_mbr(signature: int, extent: Extent) -> Place:
    """A partition of the MBR disk with this signature."""
    name = struct.pack("<QQIII12x", extent.offset, 0, 0, 1, signature)
    return Place(name, struct.pack("<IQ", signature, extent.offset))


def on_gpt(disk: uuid.UUID, partition: uuid.UUID) -> Place:
    """A partition of the GPT disk with this GUID."""
    name = partition.bytes_le + struct.pack("<II", 0, 0) + disk.bytes_le
    return Place(name, b"DMIO:ID:" + partition.bytes_le)
