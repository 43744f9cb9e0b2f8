"""Structures of qcow2 (docs/interop/qcow2.txt of QEMU). All integers are big-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag

MAGIC = b"QFI\xfb"
V2_HEADER_SIZE = 72
V3_HEADER_SIZE = 104
MIN_CLUSTER_BITS, MAX_CLUSTER_BITS = 9, 21
MAX_BACKING_NAME = 1023

V2_STRUCT = struct.Struct(">4sIQIIQIIQQIIQ")
V3_STRUCT = struct.Struct(">QQQII")
EXTENSION = struct.Struct(">II")
BACKING_FORMAT = 0xE2792ACA

OFFSET_MASK = 0x00FFFFFFFFFFFE00
"""Bits 9 to 55 of an L1 or L2 entry: the host offset."""
COPIED = 1 << 63
COMPRESSED = 1 << 62
READS_AS_ZEROS = 1
SUBCLUSTERS = 32
UNIFORM_BITMAPS = (0, 0xFFFFFFFF, 0xFFFFFFFF << 32)
"""Subcluster bitmaps of a cluster that is absent, stored or zero as a whole."""


class Incompatible(IntFlag):
    """Features that a reader must understand."""

    DIRTY = 1 << 0
    CORRUPT = 1 << 1
    EXTERNAL_DATA = 1 << 2
    COMPRESSION_TYPE = 1 << 3
    EXTENDED_L2 = 1 << 4


class Compression(IntEnum):
    """How compressed clusters are packed."""

    ZLIB = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Header:
    """The header of either version; sizes and offsets in bytes."""

    version: int
    backing_offset: int
    backing_size: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int
    incompatible: int = 0
    refcount_order: int = 4
    length: int = V2_HEADER_SIZE
    compression: int = Compression.ZLIB
    extensions: dict[int, bytes] = field(default_factory=dict)


def parse_header(cluster: bytes) -> Header:
    """Read the header from the start of a file, as much of its first cluster as there is.

    Raises `ValueError` saying what is wrong.
    """
    if len(cluster) < V2_HEADER_SIZE:
        raise ValueError("it is cut short")
    fields = V2_STRUCT.unpack_from(cluster)[1:]
    if fields[0] == 2:
        return replace(Header(*fields), extensions=dict(_extensions(cluster, V2_HEADER_SIZE)))
    if len(cluster) < V3_HEADER_SIZE:
        raise ValueError("it is cut short")
    incompatible, _, _, order, length = V3_STRUCT.unpack_from(cluster, V2_HEADER_SIZE)
    if length < V3_HEADER_SIZE or length % 8 or length > len(cluster):
        raise ValueError(f"a header length of {length} bytes")
    compression = cluster[V3_HEADER_SIZE] if length > V3_HEADER_SIZE else Compression.ZLIB
    return replace(
        Header(*fields),
        incompatible=incompatible,
        refcount_order=order,
        length=length,
        compression=compression,
        extensions=dict(_extensions(cluster, length)),
    )


def _extensions(cluster: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + EXTENSION.size <= len(cluster):
        kind, length = EXTENSION.unpack_from(cluster, at)
        if not kind:
            return
        at += EXTENSION.size
        if at + length > len(cluster):
            raise ValueError(f"a header extension of {length} bytes")
        yield kind, cluster[at : at + length]
        at += -(-length // 8) * 8
