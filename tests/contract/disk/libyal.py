"""The libyal libraries (Joachim Metz, LGPL) as readers that know neither QEMU's code nor ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pyqcow  # type: ignore[import-not-found]  # C extensions without stubs
import pyvhdi  # type: ignore[import-not-found]
import pyvmdk  # type: ignore[import-not-found]

from imageport.model.target import DiskFormat

REQUEST = 1 << 20


class Disk(Protocol):
    """What the three libraries have in common."""

    def get_media_size(self) -> int: ...
    def read_buffer_at_offset(self, size: int, offset: int) -> bytes: ...
    def set_parent(self, parent: Disk) -> None: ...
    def close(self) -> None: ...


def content(path: Path, form: DiskFormat, parents: Sequence[Path] = ()) -> bytes:
    """The disk's bytes; `parents` are the other files of its chain, nearest first."""
    with ExitStack() as stack:
        disk = _chain(path, form, parents, stack)
        size = disk.get_media_size()
        parts = []
        for at in range(0, size, REQUEST):
            parts.append(disk.read_buffer_at_offset(min(REQUEST, size - at), at))
        return b"".join(parts)


def read(path: Path, form: DiskFormat, parents: Sequence[Path], offset: int, size: int) -> bytes:
    """`size` bytes of a chain's content at `offset`."""
    with ExitStack() as stack:
        return _chain(path, form, parents, stack).read_buffer_at_offset(size, offset)


def _chain(path: Path, form: DiskFormat, parents: Sequence[Path], stack: ExitStack) -> Disk:
    disk = below = _opened(path, form, stack)
    for name in parents:
        parent = _opened(name, form, stack)
        below.set_parent(parent)
        below = parent
    return disk


def _opened(path: Path, form: DiskFormat, stack: ExitStack) -> Disk:
    disk = _OPENERS[form](str(path))
    stack.callback(disk.close)
    return disk


def _open_vhd(path: str) -> Disk:
    file = pyvhdi.file()
    file.open(path)
    opened: Disk = file
    return opened


def _open_vmdk(path: str) -> Disk:
    handle = pyvmdk.handle()
    handle.open(path)
    handle.open_extent_data_files()
    opened: Disk = handle
    return opened


def _open_qcow(path: str) -> Disk:
    file = pyqcow.file()
    file.open(path)
    opened: Disk = file
    return opened


_OPENERS: dict[DiskFormat, Callable[[str], Disk]] = {
    DiskFormat.VHD_FIXED: _open_vhd,
    DiskFormat.VHD: _open_vhd,
    DiskFormat.VHDX: _open_vhd,
    DiskFormat.VMDK: _open_vmdk,
    DiskFormat.QCOW2: _open_qcow,
}
