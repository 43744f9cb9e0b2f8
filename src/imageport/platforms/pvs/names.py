"""Names of the files of a vDisk: `win.vhdx`, `win.1.avhdx`, `win.2.vhdx`, `win.pvp`, `win.lok`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from imageport.model.target import DiskFormat
from imageport.platforms.pvs.errors import NameRefused

LONGEST: Final = 52
"""Characters, all of them ASCII (`New-PvsDiskLocator`)."""

_IMAGE: Final = re.compile(r"(.+?)(?:\.([1-9]\d{0,8}))?\.(a?)(vhdx?)", re.IGNORECASE)
_VERSION_AT_THE_END: Final = re.compile(r"\.\d+$")
_SIDECAR: Final = re.compile(r"\.(a?vhdx?|pvp|lok|xml)$", re.IGNORECASE)
_FORBIDDEN: Final = frozenset('<>:"/\\|?*')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FORMATS: Final = {"vhd": DiskFormat.VHD, "vhdx": DiskFormat.VHDX}


@dataclass(frozen=True, slots=True)
class ImageName:
    """What the name of an image file in a store says."""

    file: str
    vdisk: str
    number: int
    """The version; 0 is the base that everything began with."""
    child: bool
    """`.avhdx`, `.avhd`. Without the letter it is a base, but older pages of Citrix call every
    version `.vhdx`."""
    format: DiskFormat
    """VHDX, or VHD of any kind."""

    @property
    def lock(self) -> str:
        """The file in which Provisioning keeps its locks on this one."""
        return str(PurePosixPath(self.file).with_suffix(".lok"))

    @property
    def properties(self) -> str:
        """The file in which Provisioning keeps the vDisk's properties."""
        return str(PurePosixPath(self.file).with_suffix(".pvp"))


def parse(file: str) -> ImageName | None:
    """What the name of a file says; None for a file that is no image of a vDisk."""
    match = _IMAGE.fullmatch(file)
    if match is None:
        return None
    vdisk, number, child, suffix = match.groups()
    return ImageName(file, vdisk, int(number or 0), bool(child), _FORMATS[suffix.lower()])


def manifest_of(vdisk: str) -> str:
    """The file that the console's Export writes."""
    return f"{vdisk}.xml"


def check_name(name: str) -> None:
    """Raise `NameRefused` unless a vDisk can be called `name`, and be understood by that."""
    objections = (
        (not 0 < len(name) <= LONGEST, f"it has {len(name)} characters of 1 to {LONGEST}"),
        (not name.isascii() or not name.isprintable(), "Provisioning takes ASCII alone"),
        (bool(_FORBIDDEN & set(name)), "it has a character that no file may have"),
        (name.strip(" .") != name, "Windows has no files that begin or end so"),
        (bool(_RESERVED.fullmatch(name)), "Windows has a device that is called so"),
        (bool(_VERSION_AT_THE_END.search(name)), "it reads as a version of another vDisk"),
        (bool(_SIDECAR.search(name)), "the suffix is no part of it"),
    )
    for objected, detail in objections:
        if objected:
            raise NameRefused(name=name, detail=detail)
