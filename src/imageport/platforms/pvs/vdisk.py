"""A vDisk: its versions, what the manifest says of them, and which are locked."""

from __future__ import annotations

from dataclasses import dataclass

from imageport.model.target import DiskFormat
from imageport.platforms.pvs.errors import ManifestOutdated, VersionUnknown
from imageport.platforms.pvs.manifest import Access, Entry, VersionManifest
from imageport.platforms.pvs.names import ImageName
from imageport.platforms.pvs.properties import Mode


@dataclass(frozen=True, slots=True)
class Version:
    """One file of a vDisk."""

    image: ImageName
    size: int
    """Bytes of the file."""
    locked: bool
    """Whether its lock file holds anything."""
    entry: Entry | None
    """What the manifest says of it."""

    @property
    def number(self) -> int:
        """0 for the base that everything began with."""
        return self.image.number

    @property
    def file(self) -> str:
        """The name of its file."""
        return self.image.file


@dataclass(frozen=True, slots=True)
class VDisk:
    """A vDisk as the store's folder has it; no disk has been opened yet."""

    store: str
    name: str
    format: DiskFormat
    """VHDX, or VHD of any kind."""
    versions: tuple[Version, ...]
    """In ascending order, one at least."""
    manifest: VersionManifest | None
    mode: Mode
    """What the properties of the first version say."""

    @property
    def newest(self) -> Version:
        """The highest version that is there, be it released or still in maintenance.

        Raises `ManifestOutdated` when the manifest does not know it.
        """
        newest = self.versions[-1]
        if self.manifest is not None and self.manifest.newest < newest.number:
            raise ManifestOutdated(
                file=self.manifest.file, listed=self.manifest.newest, found=newest.number
            )
        if self.manifest is not None and self.manifest.newest > newest.number:
            raise self._unknown(self.manifest.newest)
        return newest

    @property
    def released(self) -> Version | None:
        """What production devices start when they are not told otherwise, when the manifest was
        written; None where it does not say."""
        listed = [item for item in self.versions if item.entry is not None]
        for wanted in (Access.OVERRIDE, Access.PRODUCTION):
            found = [item for item in listed if item.entry and item.entry.access is wanted]
            if found:
                return found[-1]
        return None

    def version(self, number: int | None = None) -> Version:
        """A version by its number, the newest for None. Raises `VersionUnknown`, see `newest`."""
        if number is None:
            return self.newest
        for item in self.versions:
            if item.number == number:
                return item
        raise self._unknown(number)

    def named(self, file: str) -> Version | None:
        """The version whose file is called so; servers do not tell capital letters apart."""
        wanted = file.casefold()
        return next((item for item in self.versions if item.file.casefold() == wanted), None)

    def is_written_to(self, version: Version) -> bool:
        """Whether devices can write to it: only the newest version is ever in maintenance or in
        private image mode."""
        return version is self.versions[-1]

    def _unknown(self, number: int) -> VersionUnknown:
        known = ", ".join(str(item.number) for item in self.versions)
        return VersionUnknown(name=self.name, version=number, known=known)
