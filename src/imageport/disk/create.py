"""Making a disk to write to, of any format that we write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imageport.disk.base import MIB, SECTOR, DiskReader, DiskWriter
from imageport.disk.errors import TargetTooSmallError, UnsupportedError
from imageport.disk.gcp import GcpArchiveWriter
from imageport.disk.in_place import InPlaceWriter
from imageport.disk.open import open_disk
from imageport.disk.qcow2.writer import Qcow2Writer
from imageport.disk.raw import RawWriter
from imageport.disk.target import LocalTarget, TargetFile
from imageport.disk.vhd.writer import DynamicVhdWriter, FixedVhdWriter
from imageport.disk.vhdx.writer import VhdxWriter
from imageport.disk.vmdk.writer import GRAIN, StreamVmdkWriter
from imageport.model.target import DiskFormat

_WRITERS: dict[DiskFormat, Callable[[TargetFile, int], DiskWriter]] = {
    DiskFormat.RAW: RawWriter,
    DiskFormat.VHD_FIXED: FixedVhdWriter,
    DiskFormat.VHD: DynamicVhdWriter,
    DiskFormat.VHDX: VhdxWriter,
    DiskFormat.QCOW2: Qcow2Writer,
    DiskFormat.VMDK: StreamVmdkWriter,
}
STREAMS = frozenset({DiskFormat.VMDK, DiskFormat.TAR_GZ})
"""Formats that cannot be gone on with in the middle."""


def granularity(format: DiskFormat) -> int:
    """Virtual sizes of the format are multiples of this many bytes."""
    return {DiskFormat.VHD_FIXED: MIB, DiskFormat.VMDK: GRAIN}.get(format, SECTOR)


def create_disk(
    place: Path | TargetFile,
    format: DiskFormat,
    size: int,
    *,
    resume: bool = False,
    block_size: int | None = None,
) -> DiskWriter:
    """Create a disk for at least `size` bytes, rounded up to what the format allows.

    `place` is a path here, or a target that says by itself whether it is gone on with.

    A block device takes a raw disk; it is written to in place, with nothing to roll back. A file is
    `PATH.partial` until it is finished. With `resume`, one that an earlier process left
    behind (see `copy`) is gone on with where the format allows it. `block_size` is for VHDX alone:
    bytes, a power of two from 1 to 256 MiB; small blocks keep the file small. Raises `DiskError`.
    """
    if block_size is not None and format is not DiskFormat.VHDX:
        name = str(place) if isinstance(place, Path) else place.name
        raise UnsupportedError(file=name, feature=f"a choice of block size in {format}")
    if isinstance(place, Path):
        if place.is_block_device():
            return _open_device(place, format, size)
        place = LocalTarget(place, resume=resume and format not in STREAMS)
    unit = granularity(format)
    if format not in _WRITERS:
        feature = f"writing {format} without knowing what will be written"
        raise UnsupportedError(file=place.name, feature=feature)
    size = -(-size // unit) * unit
    if block_size is not None:
        return VhdxWriter(place, size, block_size=block_size)
    return _WRITERS[format](place, size)


def create_for(
    source: DiskReader,
    place: Path | TargetFile,
    format: DiskFormat,
    *,
    resume: bool = False,
    block_size: int | None = None,
) -> DiskWriter:
    """Create a disk to copy `source` to; also of formats that must know beforehand what comes.

    See `create_disk`.
    """
    if format is DiskFormat.TAR_GZ and block_size is None:
        target = LocalTarget(place) if isinstance(place, Path) else place
        return GcpArchiveWriter(target, source)
    return create_disk(place, format, source.size, resume=resume, block_size=block_size)


def open_in_place(path: Path) -> InPlaceWriter:
    """Open what a disk is already, to write only what changed (`copy` with its manifest as `base`).

    Raises `DiskError`; `UnsupportedError` for formats that do not store a disk's bytes as they are.
    """
    with open_disk(path) as reader:
        size, form = reader.size, reader.format
    if form not in (DiskFormat.RAW, DiskFormat.VHD_FIXED):
        raise UnsupportedError(file=str(path), feature=f"writing into a {form} image in place")
    return InPlaceWriter(path, size)


def _open_device(path: Path, format: DiskFormat, size: int) -> DiskWriter:
    if format is not DiskFormat.RAW:
        raise UnsupportedError(file=str(path), feature=f"a {format} image on a block device")
    writer = InPlaceWriter(path)
    if writer.size < size:
        writer.abort()
        raise TargetTooSmallError(file=str(path), size=writer.size, needed=size)
    return writer
