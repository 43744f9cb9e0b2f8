"""Converting an image file to another format, whole or not at all."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from imageport.disk.copy import copy
from imageport.disk.create import create_for
from imageport.disk.errors import FormatUnknownError
from imageport.disk.manifest import Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import Progress
from imageport.model.target import DiskFormat

_BY_SUFFIX = {
    ".raw": DiskFormat.RAW,
    ".img": DiskFormat.RAW,
    ".vhd": DiskFormat.VHD,
    ".vhdx": DiskFormat.VHDX,
    ".vmdk": DiskFormat.VMDK,
    ".qcow2": DiskFormat.QCOW2,
    ".tar.gz": DiskFormat.TAR_GZ,
}


@dataclass(frozen=True, slots=True)
class Converted:
    """A new image file; sizes in bytes. `content` has the source's size, `virtual_size` may be
    larger where the format rounds up."""

    format: DiskFormat
    virtual_size: int
    file_size: int
    content: Manifest


def format_of(name: str) -> DiskFormat:
    """The format that a new file's name promises. Raises `FormatUnknownError`."""
    for suffix, form in _BY_SUFFIX.items():
        if name.lower().endswith(suffix):
            return form
    raise FormatUnknownError(file=name, suffixes=", ".join(_BY_SUFFIX))


def convert(  # noqa: PLR0913  # the last three are options, by keyword only
    source: Path,
    target: Path,
    format: DiskFormat,
    *,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    block_size: int | None = None,
) -> Converted:
    """Write `source` anew as `target`. A failure leaves nothing behind. Raises `DiskError`.

    `block_size` is that of a VHDX, see `create_disk`.
    """
    with open_disk(source) as reader:
        writer = create_for(reader, target, format, block_size=block_size)
        content = copy(reader, writer, progress=progress, cancel=cancel)
    return Converted(format, writer.size, target.stat().st_size, content)
