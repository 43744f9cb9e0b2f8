"""What an NTFS volume's own records say of its state, read without mounting it; and hibernation.

Layout: boot sector, MFT record header, update sequence array and attribute headers as described in
the Linux-NTFS documentation ("NTFS Documentation", Russon and Fledel).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.paths import folded

_VOLUME_RECORD: Final = 3
_BITMAP_RECORD: Final = 6
_VOLUME_INFORMATION: Final = 0x70
_DATA: Final = 0x80
_DIRTY: Final = 0x0001
_ATTRIBUTES_END: Final = 0xFFFFFFFF
_LARGEST: Final = 2 << 20
"""Bytes of the largest cluster that Windows makes; records are smaller."""
_AT_ONCE: Final = 64
"""Clusters of a bitmap that are read at a time."""
_DAMAGE: Final = (struct.error, ValueError, IndexError)
"""What reading records that make no sense ends in."""
_UPDATE_STRIDE: Final = 512
"""Bytes that one entry of an update sequence array guards, whatever the disk's sectors are."""


def is_dirty(device: str) -> bool:
    """True when the NTFS volume on `device` is marked for a check.

    A volume whose $Volume record cannot be read counts as dirty: it needs that check.
    """
    try:
        with _opened(device) as volume:
            content = _attribute(volume.record(_VOLUME_RECORD), _VOLUME_INFORMATION)
            (flags,) = struct.unpack_from("<H", content, _resident(content) + 10)
    except _DAMAGE:
        return True
    return bool(flags & _DIRTY)


def hibernated(root: Path) -> bool:
    """True when the Windows in the mounted volume `root` left its memory in hiberfil.sys."""
    memory = folded(root, "hiberfil.sys")
    if memory is None:
        return False
    with memory.open("rb") as file:
        return file.read(4).upper() in (b"HIBR", b"RSTR")


def free_bytes(device: str) -> int | None:
    """Bytes that no file uses, by the volume's bitmap; None when that cannot be read."""
    try:
        with _opened(device) as volume:
            bitmap = _attribute(volume.record(_BITMAP_RECORD), _DATA)
            used = sum(word.bit_count() for word in _bitmap_words(volume, bitmap))
            return max(volume.clusters - used, 0) * volume.cluster
    except _DAMAGE:
        return None


@dataclass(frozen=True, slots=True)
class _Ntfs:
    """An open volume's geometry; sizes in bytes."""

    descriptor: int
    cluster: int
    clusters: int
    mft: int
    """The master file table's first cluster."""
    record_size: int

    def record(self, number: int) -> bytes:
        """One of the first records of the MFT, which lie beside each other on every volume."""
        if not self.mft < self.clusters:
            raise ValueError("the MFT is not on the volume")
        place = self.mft * self.cluster + number * self.record_size
        return _restored(os.pread(self.descriptor, self.record_size, place))


@contextmanager
def _opened(device: str) -> Iterator[_Ntfs]:
    descriptor = os.open(device, os.O_RDONLY)
    try:
        boot = os.pread(descriptor, 512, 0)
        sector, per_cluster = struct.unpack_from("<HB", boot, 0x0B)
        # Clusters over 64 KiB are stored as a negative power of two.
        cluster_sectors = per_cluster if per_cluster <= 0x80 else 1 << (256 - per_cluster)
        sectors, mft = struct.unpack_from("<QQ", boot, 0x28)
        (clusters,) = struct.unpack_from("<b", boot, 0x40)
        cluster = sector * cluster_sectors
        size = clusters * cluster if clusters > 0 else 1 << -clusters
        if boot[3:11] != b"NTFS    " or not 0 < cluster <= _LARGEST or size > _LARGEST:
            raise ValueError("no NTFS boot sector")
        yield _Ntfs(descriptor, cluster, sectors // cluster_sectors, mft, size)
    finally:
        os.close(descriptor)


def _restored(record: bytes) -> bytes:
    """The record with the bytes that the update sequence array saved put back."""
    if record[:4] != b"FILE":
        raise ValueError("no FILE record")
    start, count = struct.unpack_from("<HH", record, 4)
    whole = bytearray(record)
    for index in range(1, count):
        end = index * _UPDATE_STRIDE
        whole[end - 2 : end] = record[start + 2 * index : start + 2 * index + 2]
    return bytes(whole)


def _attribute(record: bytes, wanted: int) -> bytes:
    """The attribute of that type, from its header on."""
    (place,) = struct.unpack_from("<H", record, 0x14)
    while True:
        kind, length = struct.unpack_from("<II", record, place)
        if kind == _ATTRIBUTES_END or length == 0:
            raise ValueError(f"no attribute 0x{wanted:x}")
        if kind == wanted:
            return record[place : place + length]
        place += length


def _resident(attribute: bytes) -> int:
    """Where the content of a resident attribute begins."""
    (content,) = struct.unpack_from("<H", attribute, 0x14)
    return int(content)


def _bitmap_words(volume: _Ntfs, bitmap: bytes) -> Iterator[int]:
    """The bitmap as large numbers, one bit a cluster; bits behind the last cluster are left out."""
    left = volume.clusters
    for first, count in _runs(bitmap):
        if first < 0 or first + count > volume.clusters:
            raise ValueError("the bitmap is not on the volume")
        for cluster in range(first, first + count, _AT_ONCE):
            length = min(_AT_ONCE, first + count - cluster) * volume.cluster
            data = os.pread(volume.descriptor, length, cluster * volume.cluster)
            bits = min(left, len(data) * 8)
            yield int.from_bytes(data, "little") & ((1 << bits) - 1)
            left -= bits


def _runs(attribute: bytes) -> Iterator[tuple[int, int]]:
    """First cluster and length of each run of a non-resident attribute.

    A byte gives the sizes of two numbers: the length, then the distance from the run before.
    """
    if not attribute[8]:
        raise ValueError("resident where runs were expected")
    (place,) = struct.unpack_from("<H", attribute, 0x20)
    first = 0
    while attribute[place]:
        of_length, of_distance = attribute[place] & 0x0F, attribute[place] >> 4
        middle = place + 1 + of_length
        end = middle + of_distance
        first += int.from_bytes(attribute[middle:end], "little", signed=True)
        yield first, int.from_bytes(attribute[place + 1 : middle], "little")
        place = end
