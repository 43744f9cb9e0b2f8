"""The manifest that Provisioning exports beside a vDisk: `versionManifest` in `NAME.xml`.

Its elements are not documented by Citrix. They are known from files, and from the community's
`Recreate PVS XML manifest.ps1`; the numbers of `access` from the PowerShell SDK (`PvsDiskVersion`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self, TypeVar
from xml.etree import ElementTree

from imageport.platforms.pvs.errors import ManifestUnreadable

LARGEST: Final = 1 << 20
"""Bytes of a manifest that is read; each version takes half a KiB."""

E = TypeVar("E", bound=IntEnum)


class Access(IntEnum):
    """Who may start a version."""

    PRODUCTION = 0
    MAINTENANCE = 1
    MAINTENANCE_HIGHEST = 2
    OVERRIDE = 3
    MERGE = 4
    MERGE_MAINTENANCE = 5
    MERGE_TEST = 6
    TEST = 7


class Origin(IntEnum):
    """How a version came to be (`type`)."""

    BASE = 0
    MANUAL = 1
    AUTOMATIC = 2
    MERGE = 3
    """Several versions made one, on the base below them."""
    MERGE_BASE = 4
    """Everything below made one, which is a new base."""

    @property
    def is_base(self) -> bool:
        """Whether such a version has no parent."""
        return self in (Origin.BASE, Origin.MERGE_BASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A version as the manifest has it."""

    number: int
    file: str
    access: Access | None
    """None for a number that is not known; so is `origin`."""
    origin: Origin | None
    size: int | None
    """Bytes of the file when it was exported."""


@dataclass(frozen=True, slots=True)
class VersionManifest:
    """The versions of a vDisk when it was exported."""

    file: str
    entries: tuple[Entry, ...]
    """In ascending order."""

    @property
    def newest(self) -> int:
        """The highest version."""
        return self.entries[-1].number

    def entry(self, number: int) -> Entry | None:
        """What it says of a version."""
        return next((entry for entry in self.entries if entry.number == number), None)

    @classmethod
    def parse(cls, file: str, data: bytes) -> Self:
        """Read a manifest. Raises `ManifestUnreadable`."""
        try:
            # A document without declarations of its own cannot name or multiply anything.
            if b"<!" in data.replace(b"\0", b""):
                raise ValueError("it has declarations or comments, which no exported one has")
            root = ElementTree.fromstring(data)  # noqa: S314  # see above
            if root.tag != "versionManifest":
                raise ValueError(f"it is a {root.tag}, not a versionManifest")
            entries = sorted((_entry(item) for item in root.iter("version")), key=_number)
        except (ElementTree.ParseError, ValueError) as error:
            raise ManifestUnreadable(file=file, detail=str(error)) from error
        numbers = {entry.number for entry in entries}
        if not entries or len(numbers) < len(entries):
            raise ManifestUnreadable(file=file, detail="it has no version, or one of them twice")
        return cls(file, tuple(entries))


def _number(entry: Entry) -> int:
    return entry.number


def _entry(item: ElementTree.Element) -> Entry:
    number, file = _integer(item, "versionNumber"), item.findtext("diskFileName", "").strip()
    if number is None or not file:
        raise ValueError("a version has no number or no file")
    if set(file) & set("/\\:"):
        raise ValueError(f"{file!r} is no plain file name")
    access, origin = _known(Access, item, "access"), _known(Origin, item, "type")
    return Entry(number, file, access, origin, _integer(item, "size"))


def _integer(item: ElementTree.Element, tag: str) -> int | None:
    text = item.findtext(tag, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueError(f"{tag} {text!r} is no number")
    return int(text)


def _known(kind: type[E], item: ElementTree.Element, tag: str) -> E | None:
    number = _integer(item, tag)
    return next((member for member in kind if member == number), None)
