"""Reading and checking the header of a qcow2 file."""

from __future__ import annotations

from imageport.disk.errors import UnsupportedError
from imageport.disk.file import ImageFile
from imageport.disk.mapped import corrupt
from imageport.disk.qcow2 import layout
from imageport.disk.qcow2.layout import Compression, Header, Incompatible

# A plain integer: the inverse of a flag knows no bits but the named ones.
_READABLE = int(Incompatible.DIRTY | Incompatible.COMPRESSION_TYPE | Incompatible.EXTENDED_L2)


def read_header(file: ImageFile) -> Header:
    """The header, once everything that it says is something we read. Raises `DiskError`."""
    data = file.read(0, min(file.size, 1 << layout.MIN_CLUSTER_BITS), "qcow2 header")
    bits = layout.V2_STRUCT.unpack_from(data.ljust(layout.V2_HEADER_SIZE, b"\0"))[4]
    if not layout.MIN_CLUSTER_BITS <= bits <= layout.MAX_CLUSTER_BITS:
        raise corrupt(file, "qcow2 header", 20, f"{bits} cluster bits")
    data = file.read(0, min(file.size, 1 << bits), "qcow2 header")
    version = int.from_bytes(data[4:8], "big")
    if version not in (2, 3):
        raise _unsupported(file, f"qcow version {version}")
    try:
        header = layout.parse_header(data)
    except ValueError as error:
        raise corrupt(file, "qcow2 header", 0, str(error)) from error
    _check_features(file, header)
    return header


def _check_features(file: ImageFile, header: Header) -> None:
    if header.encryption:
        raise _unsupported(file, "encryption")
    if header.incompatible & Incompatible.CORRUPT:
        raise corrupt(file, "qcow2 header", 72, "it is marked corrupt; run qemu-img check")
    if header.incompatible & Incompatible.EXTERNAL_DATA:
        raise _unsupported(file, "an external data file")
    if unknown := header.incompatible & ~_READABLE:
        raise _unsupported(file, f"unknown qcow2 features {unknown:#x}")
    if bool(header.incompatible & Incompatible.COMPRESSION_TYPE) != bool(header.compression):
        raise corrupt(file, "qcow2 header", 104, "compression type and feature bit disagree")
    if header.compression not in tuple(Compression):
        raise _unsupported(file, f"compression type {header.compression}")
    if header.incompatible & Incompatible.EXTENDED_L2 and header.cluster_bits < 14:
        raise corrupt(file, "qcow2 header", 20, "clusters too small for subclusters")


def _unsupported(file: ImageFile, feature: str) -> UnsupportedError:
    return UnsupportedError(file=file.name, feature=feature)
