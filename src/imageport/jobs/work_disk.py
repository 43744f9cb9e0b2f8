"""The disk that a migration changes: a thin layer over the source, which is only ever read.

Nothing is copied before the end: the source lies below, and one pass writes the output.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.open import is_local, open_source
from imageport.disk.mapped import MappedReader
from imageport.disk.open import open_disk
from imageport.disk.qemu import QEMU_FORMATS
from imageport.host.errors import ToolFailed
from imageport.host.run import run
from imageport.jobs.ends import Ends
from imageport.jobs.folder import JobFolder
from imageport.model.target import DiskFormat
from imageport.platforms.base import DiskRef

Progress = Callable[[int, int], None]


def base_of(folder: JobFolder, source: str, ends: Ends, progress: Progress) -> DiskRef:
    """The disk to put below: the source itself where QEMU reads it as we do, else a copy of it.

    QEMU takes what a differencing VHD has from its parent for zeros, and rounds the size of some
    VHDs down to what an old disk geometry can say: either would lose data without a word.
    """
    with open_source(source, ends.source) as reader:
        if is_local(source) and isinstance(reader, MappedReader):
            alone = reader.parent is None or reader.format is DiskFormat.QCOW2
            if alone and _qemu_size(Path(source), reader.format) == reader.size:
                return DiskRef(Path(source), reader.format)
        base = ends.base or folder.base_disk
        if not base.exists():
            writer = create_disk(base, DiskFormat.RAW, reader.size, resume=True)
            copy(reader, writer, journal=base.with_suffix(".journal"), progress=progress)
    return DiskRef(base, DiskFormat.RAW)


def _qemu_size(path: Path, format: DiskFormat) -> int | None:
    try:
        said = run(["qemu-img", "info", "-f", QEMU_FORMATS[format], "--output=json", path])
    except ToolFailed:
        return None
    size: int = json.loads(said)["virtual-size"]
    return size


def make_work_disk(folder: JobFolder, base: DiskRef) -> None:
    """A new, empty layer over `base`; whatever an earlier attempt wrote is forgotten."""
    folder.work_disk.unlink(missing_ok=True)
    run(
        [
            *("qemu-img", "create", "-q", "-f", "qcow2"),
            *("-b", base.path, "-F", QEMU_FORMATS[base.format], folder.work_disk),
        ]
    )


def work_disk(folder: JobFolder) -> DiskRef:
    """The layer as a platform takes it."""
    return DiskRef(folder.work_disk, DiskFormat.QCOW2)


def open_work_disk(folder: JobFolder, ends: Ends) -> MappedReader:
    """The migrated content, read through its layers."""
    source = folder.request.source
    beside = [Path(source).parent] if is_local(source) else []
    bases = [ends.base.parent] if ends.base else []
    return open_disk(folder.work_disk, allow_backing=[*beside, *bases, folder.path])
