"""Child images: what is not written to them comes from their parent, which is never changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import ClassVar, Protocol

from imageport.disk.base import SECTOR, DiskWriter
from imageport.disk.errors import UnsupportedError
from imageport.disk.held import HeldSectors
from imageport.disk.mapped import MappedReader
from imageport.disk.open import open_disk
from imageport.disk.parent import Parent
from imageport.disk.qcow2.child import OverlayStore
from imageport.disk.target import LocalTarget, TargetFile
from imageport.disk.vhd.child import VhdChildStore
from imageport.disk.vhdx.child import VhdxChildStore
from imageport.model.target import DiskFormat


class ChildStore(Protocol):
    """A format's file of a child; it writes its tables after what `held` says."""

    format: ClassVar[DiskFormat]
    name: str
    size: int
    block: int
    held: HeldSectors

    def write(self, offset: int, data: memoryview) -> None:
        """Store data, in new blocks where there are none."""

    def zero(self, offset: int, length: int) -> None:
        """Store zeros in blocks that are there; where there is none, new ones will be zeros."""

    def finish(self) -> None:
        """See `DiskWriter.finish`."""

    def abort(self) -> None:
        """See `DiskWriter.abort`."""


class ChildWriter:
    """A `DiskWriter` of a child image; ranges are whole sectors.

    A copy with the parent's manifest as its `base` stores only the blocks that differ. It cannot
    be gone on with after the process has ended: which sectors it holds is known to this process.
    """

    zeroed: ClassVar[bool] = False
    ordered: ClassVar[bool] = False

    def __init__(self, store: ChildStore, parent: MappedReader) -> None:
        """Write to `store`; `parent` is read when the child is finished, and closed."""
        self.format, self.name, self.size = store.format, store.name, store.size
        self._store, self._parent = store, parent

    def write(self, offset: int, data: memoryview) -> None:
        """See `DiskWriter.write`. Raises `UnsupportedError` unless the range is whole sectors."""
        self._require_sectors(offset, len(data))
        self._store.write(offset, data)
        self._store.held.add(offset, len(data))

    def zero(self, offset: int, length: int) -> None:
        """See `DiskWriter.zero`: the zeros hide what the parent has. Raises as `write` does."""
        self._require_sectors(offset, length)
        self._store.zero(offset, length)
        self._store.held.add(offset, length)

    def finish(self) -> None:
        """See `DiskWriter.finish`."""
        self._store.finish()
        self._parent.close()

    def abort(self) -> None:
        """See `DiskWriter.abort`."""
        self._store.abort()
        self._parent.close()

    def _require_sectors(self, offset: int, length: int) -> None:
        if offset % SECTOR or length % SECTOR:
            feature = f"{length} bytes at {offset}, which are no whole sectors, in a child image"
            raise UnsupportedError(file=self.name, feature=feature)


_STORES: dict[DiskFormat, Callable[[TargetFile, Parent], ChildStore]] = {
    DiskFormat.VHD: VhdChildStore,
    DiskFormat.VHDX: VhdxChildStore,
    DiskFormat.QCOW2: OverlayStore,
}
_OWN_KIND = {
    DiskFormat.VHD: (DiskFormat.VHD, DiskFormat.VHD_FIXED),
    DiskFormat.VHDX: (DiskFormat.VHDX,),
}
"""Formats whose parents must be of certain formats; a qcow2 overlay takes any."""


def child_format(parent: DiskFormat) -> DiskFormat:
    """The format of a child of a disk of that format: its own where it can have children."""
    own = (child for child, parents in _OWN_KIND.items() if parent in parents)
    return next(own, DiskFormat.QCOW2)


def create_child(
    path: Path,
    parent: Path,
    format: DiskFormat,
    *,
    windows_path: str = "",
    allow_backing: bool | Collection[Path] = False,
) -> DiskWriter:
    r"""Create a child of the disk `parent`, of its size; nothing is written to the parent.

    `format` is VHD (differencing; the parent a VHD), VHDX (differencing; the parent a VHDX) or
    qcow2 (an overlay over any format). The child names its parent by the path from its own folder,
    and also as `windows_path` (`C:\vm\base.vhdx`), which only the caller can know.
    `allow_backing` is for the parent's own parents, see `open_disk`. Raises `DiskError`.
    """
    reader = open_disk(parent, allow_backing=allow_backing)
    relative = os.path.relpath(parent.absolute(), path.absolute().parent)
    return create_child_of(reader, LocalTarget(path), format, relative, windows_path=windows_path)


def create_child_of(
    parent: MappedReader,
    target: TargetFile,
    format: DiskFormat,
    relative: str,
    *,
    windows_path: str = "",
) -> DiskWriter:
    """The same with an open parent, which belongs to the child then, wherever both lie.

    `relative` is the parent's path from the child's folder, as POSIX writes it.
    """
    try:
        if format not in _STORES or parent.format not in _OWN_KIND.get(format, (parent.format,)):
            feature = f"a {format} child of a {parent.format} disk"
            raise UnsupportedError(file=target.name, feature=feature)
        link = Parent(parent, relative, windows_path, parent.file.modified)
        return ChildWriter(_STORES[format](target, link), parent)
    except BaseException:
        parent.close()
        raise
