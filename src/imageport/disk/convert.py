"""Converting an image file to another format, whole or not at all."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from imageport.disk.copy import copy, copy_unhashed
from imageport.disk.create import create_for
from imageport.disk.errors import DiffersError, FormatUnknownError
from imageport.disk.manifest import Manifest
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.treehash import Progress, tree_hash
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
    """A new image file; sizes in bytes. `content` is the manifest of what it holds, if verified."""

    format: DiskFormat
    virtual_size: int
    file_size: int
    content: Manifest | None


def format_of(name: str) -> DiskFormat:
    """The format that a new file's name promises. Raises `FormatUnknownError`."""
    for suffix, form in _BY_SUFFIX.items():
        if name.lower().endswith(suffix):
            return form
    raise FormatUnknownError(file=name, suffixes=", ".join(_BY_SUFFIX))


def convert(  # noqa: PLR0913  # the last four are options, by keyword only
    source: Path,
    target: Path,
    format: DiskFormat,
    *,
    verify: bool = False,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    block_size: int | None = None,
) -> Converted:
    """Write `source` anew as `target`. A failure leaves nothing behind.

    With `verify` the content is hashed on the way, made durable, and the target read back and
    compared; one that differs is removed. Without it nothing waits for the storage, as with `cp`.
    `block_size` is that of a VHDX, see `create_disk`. Raises `DiskError`;
    `DiffersError` when what was read back is not what was written.
    """
    with open_disk(source) as reader:
        place = LocalTarget(target, durable=verify)
        writer = create_for(reader, place, format, block_size=block_size)
        content = None
        if verify:
            content = copy(reader, writer, progress=progress, cancel=cancel).padded(writer.size)
        else:
            copy_unhashed(reader, writer, progress=progress, cancel=cancel)
    if content is not None:
        _read_back(target, content, progress)
    return Converted(format, writer.size, target.stat().st_size, content)


def _read_back(target: Path, content: Manifest, progress: Progress | None) -> None:
    with open_disk(target) as reader:
        found = tree_hash(reader, progress)
    if found.root != content.root:
        target.unlink()
        raise DiffersError(file=str(target), read=found.root.hex(), written=content.root.hex())
