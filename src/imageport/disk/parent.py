"""What a child image says about its parent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from imageport.disk.mapped import MappedReader


@dataclass(frozen=True, slots=True)
class Parent:
    """An open parent and its names."""

    reader: MappedReader
    relative: str
    """From the child's folder, as POSIX writes it."""
    windows: str
    r"""Absolute, as Windows writes it (`C:\vm\base.vhdx`); empty when nobody knows."""
    modified: int
    """When the parent was last written to, in seconds of Unix time."""

    @property
    def relative_windows(self) -> str:
        r"""From the child's folder, as Windows writes it: `.\base.vhdx`, `..\up\base.vhdx`."""
        path = self.relative.replace("/", "\\")
        return path if path.startswith("..\\") else ".\\" + path

    @property
    def file_name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.relative).name
