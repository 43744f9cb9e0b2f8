"""A store: the folder, on a share or on this computer, where Provisioning has its vDisks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from imageport.disk.ends.errors import InUseError
from imageport.disk.errors import BackingMismatchError, BackingMissingError
from imageport.disk.folder import Folder
from imageport.disk.mapped import MappedReader
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from imageport.platforms.pvs.chain import check_chain
from imageport.platforms.pvs.errors import (
    ManifestUnreadable,
    ParentChanged,
    ParentMissing,
    VdiskAmbiguous,
    VdiskInUse,
    VdiskUnknown,
)
from imageport.platforms.pvs.manifest import LARGEST, VersionManifest
from imageport.platforms.pvs.names import ImageName, manifest_of, parse
from imageport.platforms.pvs.properties import SIZE, Mode, mode_of
from imageport.platforms.pvs.vdisk import VDisk, Version

_SUFFIX: Final = re.compile(r"(.+)\.(vhdx?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OpenVersion:
    """A version to read from: the disk that a device would see, through the whole chain."""

    disk: MappedReader
    chain: tuple[Version, ...]
    """What it is made of, the version itself first and the base last."""


class Store:
    """The vDisks of a folder. Methods raise `StoreError` and `DiskError`."""

    def __init__(self, folder: Folder) -> None:
        """Nothing is asked of the folder yet."""
        self.folder = folder

    @property
    def name(self) -> str:
        """The folder's path or address."""
        return self.folder.name

    def vdisks(self) -> list[str]:
        """The names of the vDisks, in order. `x.7.vhdx` by itself counts as a version of `x`."""
        return _names(self.folder.files())

    def vdisk(self, name: str, *, use_manifest: bool = True) -> VDisk:
        """What the folder says about a vDisk; none of its disks is opened.

        `name` is that of the vDisk, or of its base (`win.vhd`) where a store has `win.vhdx` too.
        Without `use_manifest` the files alone count. Raises `VdiskUnknown`, `VdiskAmbiguous`,
        `ManifestUnreadable`.
        """
        files = self.folder.files()
        vdisk, images = self._images(name, files)
        manifest = self._manifest(vdisk, files) if use_manifest else None
        sizes = {file.casefold(): size for file, size in files.items()}
        versions = []
        for image in images:
            entry = manifest.entry(image.number) if manifest else None
            locked = sizes.get(image.lock.casefold(), 0) > 0
            versions.append(Version(image, files[image.file], locked, entry))
        mode = self._mode(images[0], files)
        return VDisk(self.name, vdisk, images[0].format, tuple(versions), manifest, mode)

    def open(
        self, vdisk: VDisk, number: int | None = None, *, ignore_lock: bool = False
    ) -> OpenVersion:
        """Open a version, by default the newest, for reading.

        Raises `VersionUnknown`, `ManifestOutdated`, `VdiskInUse` when devices may be writing to
        it, `ParentMissing`, `ParentChanged`, `ChainUnexpected`. With `ignore_lock`, a lock file is
        not believed; what a guarded folder says of open files is.
        """
        version = vdisk.version(number)
        if version.locked and not ignore_lock:
            self._check_lock(vdisk, version)
        disk = self._open(vdisk, version)
        try:
            return OpenVersion(disk, check_chain(vdisk, disk))
        except BaseException:
            disk.close()
            raise

    def _check_lock(self, vdisk: VDisk, version: Version) -> None:
        if not vdisk.is_written_to(version):
            return
        alone = len(vdisk.versions) == 1
        if alone and vdisk.mode is Mode.STANDARD and self.folder.guarded:
            # Devices only read it, and the server sees to it that this stays so meanwhile.
            return
        said = f", and the vDisk is in {vdisk.mode}" if alone else ""
        detail = f"its lock file {version.image.lock} is not empty{said}"
        raise VdiskInUse(name=vdisk.name, file=version.file, detail=detail)

    def _open(self, vdisk: VDisk, version: Version) -> MappedReader:
        try:
            return open_disk(self.folder.open(version.file))
        except BackingMissingError as error:
            file, parent = _last(error.data["file"]), error.data["backing"]
            raise ParentMissing(store=self.name, file=file, parent=parent) from error
        except BackingMismatchError as error:
            detail = f"its id is {error.data['found']}, expected {error.data['expected']}"
            parent = _last(error.data["backing"])
            file = _last(error.data["file"])
            raise ParentChanged(file=file, parent=parent, detail=detail) from error
        except InUseError as error:
            detail, file = error.data["detail"], _last(error.data["file"])
            raise VdiskInUse(name=vdisk.name, file=file, detail=detail) from error

    def _images(self, name: str, files: dict[str, int]) -> tuple[str, list[ImageName]]:
        vdisk, images = name, images_of(name, files)
        suffixed = _SUFFIX.fullmatch(name)
        if not images and suffixed:
            vdisk = suffixed[1]
            wanted = DiskFormat(suffixed[2].lower())
            images = [image for image in images_of(vdisk, files) if image.format is wanted]
        if not images:
            known = ", ".join(_names(files)) or "none"
            raise VdiskUnknown(store=self.name, name=name, known=known)
        formats, numbers = {i.format for i in images}, {i.number for i in images}
        if len(formats) > 1 or len(numbers) < len(images):
            listed = ", ".join(image.file for image in images)
            raise VdiskAmbiguous(store=self.name, name=vdisk, files=listed)
        return vdisk, images

    def _manifest(self, vdisk: str, files: dict[str, int]) -> VersionManifest | None:
        file = spelt(manifest_of(vdisk), files)
        if file is None:
            return None
        if files[file] > LARGEST:
            raise ManifestUnreadable(file=file, detail=f"{files[file]} bytes are too many")
        return VersionManifest.parse(file, self._content(file))

    def _mode(self, image: ImageName, files: dict[str, int]) -> Mode:
        file = spelt(image.properties, files)
        if file is None or files[file] != SIZE:
            return Mode.UNKNOWN
        try:
            return mode_of(self._content(file))
        except InUseError:
            return Mode.UNKNOWN

    def _content(self, file: str) -> bytes:
        opened = self.folder.open(file)
        try:
            return opened.read(0, opened.size, "content")
        finally:
            opened.close()


def images_of(vdisk: str, files: dict[str, int]) -> list[ImageName]:
    """The images of a vDisk among a folder's files, in ascending order of their versions.

    A vDisk may itself be called as versions are: `server.2019.1.avhdx` is one of `server.2019`.
    """
    found, wanted = [], vdisk.casefold() + "."
    for file in files:
        if not file.casefold().startswith(wanted):
            continue
        # Whatever the name is, `x` in its place leaves the number for itself.
        image = parse(f"x{file[len(vdisk) :]}")
        if image is not None and image.vdisk == "x":
            found.append(ImageName(file, vdisk, image.number, image.child, image.format))
    return sorted(found, key=lambda image: (image.number, image.file))


def _names(files: dict[str, int]) -> list[str]:
    images = (parse(file) for file in files)
    spelt = {image.vdisk.casefold(): image.vdisk for image in images if image is not None}
    return sorted(spelt.values(), key=str.casefold)


def spelt(file: str, files: dict[str, int]) -> str | None:
    """The file as the folder spells it."""
    if file in files:
        return file
    return next((found for found in files if found.casefold() == file.casefold()), None)


def _last(name: str) -> str:
    return name.rpartition("/")[2]
