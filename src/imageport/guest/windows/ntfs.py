"""What an NTFS volume's own records say of its state, read without mounting it.

Layout: boot sector, MFT record header, update sequence array and attribute headers as described in
the Linux-NTFS documentation ("NTFS Documentation", Russon and Fledel).
"""

from __future__ import annotations

import os
import struct
from typing import Final

_VOLUME_RECORD: Final = 3
_VOLUME_INFORMATION: Final = 0x70
_DIRTY: Final = 0x0001
_ATTRIBUTES_END: Final = 0xFFFFFFFF
_UPDATE_STRIDE: Final = 512
"""Bytes that one entry of an update sequence array guards, whatever the disk's sectors are."""


def is_dirty(device: str) -> bool:
    """True when the NTFS volume on `device` is marked for a check.

    A volume whose $Volume record cannot be read counts as dirty: it needs that check.
    """
    descriptor = os.open(device, os.O_RDONLY)
    try:
        flags = _volume_flags(descriptor)
    except (struct.error, ValueError):
        return True
    finally:
        os.close(descriptor)
    return bool(flags & _DIRTY)


def _volume_flags(descriptor: int) -> int:
    boot = os.pread(descriptor, 512, 0)
    sector, sectors_per_cluster = struct.unpack_from("<HB", boot, 0x0B)
    # Clusters over 64 KiB are stored as a negative power of two.
    cluster_sectors = (
        sectors_per_cluster if sectors_per_cluster <= 0x80 else 1 << (256 - sectors_per_cluster)
    )
    (mft,) = struct.unpack_from("<Q", boot, 0x30)
    (clusters,) = struct.unpack_from("<b", boot, 0x40)
    cluster = sector * cluster_sectors
    size = clusters * cluster if clusters > 0 else 1 << -clusters
    record = os.pread(descriptor, size, mft * cluster + _VOLUME_RECORD * size)
    return _information_flags(_restored(record))


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


def _information_flags(record: bytes) -> int:
    (place,) = struct.unpack_from("<H", record, 0x14)
    while True:
        kind, length = struct.unpack_from("<II", record, place)
        if kind == _ATTRIBUTES_END or length == 0:
            raise ValueError("no $VOLUME_INFORMATION")
        if kind == _VOLUME_INFORMATION:
            (content,) = struct.unpack_from("<H", record, place + 0x14)
            (flags,) = struct.unpack_from("<H", record, place + content + 10)
            return int(flags)
        place += length
