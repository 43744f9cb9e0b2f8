"""A new vDisk in a store: written under other names, read back, and only then given its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.disk.base import MIB, DiskReader
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.errors import InUseError
from imageport.disk.errors import UnsupportedError
from imageport.disk.manifest import Manifest
from imageport.disk.open import open_disk
from imageport.disk.target import TargetFile
from imageport.disk.treehash import Progress, tree_hash
from imageport.model.target import DiskFormat
from imageport.platforms.pvs.errors import (
    NotAsWritten,
    VdiskExists,
    VdiskInUse,
    VdiskNotReplaceable,
)
from imageport.platforms.pvs.names import ImageName, check_name, manifest_of
from imageport.platforms.pvs.store import Store, images_of, spelt

BLOCK: Final = 32 * MIB
"""Bytes of a VHDX block: Provisioning's default, and the only size that Citrix has tested
(`Start-PvsCreateDisk`)."""
UNPROVEN: Final = ".unproven"
REPLACED: Final = ".replaced"
_SUFFIXES: Final = {
    DiskFormat.VHDX: "vhdx",
    DiskFormat.VHD: "vhd",
    DiskFormat.VHD_FIXED: "vhd",
}


@dataclass(frozen=True, slots=True)
class NewVdisk:
    """What is to be published."""

    name: str
    format: DiskFormat = DiskFormat.VHDX
    """VHDX, dynamic VHD (blocks of 2 MiB, Provisioning's default) or fixed VHD."""
    overwrite: bool = False
    block_size: int = BLOCK
    """Of a VHDX, in bytes."""

    @property
    def file(self) -> str:
        """The name of its file in the store. Raises `UnsupportedError`."""
        suffix = _SUFFIXES.get(self.format)
        if suffix is None:
            raise UnsupportedError(file=self.name, feature=f"a vDisk that is {self.format}")
        return f"{self.name}.{suffix}"


@dataclass(frozen=True, slots=True)
class Published:
    """A vDisk that is in the store for good."""

    address: str
    content: Manifest
    set_aside: tuple[str, ...]
    """Properties and manifest of the vDisk that it replaced, by the names that they have now."""


def check(store: Store, new: NewVdisk) -> None:
    """Whether `new` could be published now; nothing is changed.

    Raises `NameRefused`, `VdiskExists`, `VdiskInUse`, `VdiskNotReplaceable`, `DiskError`.
    """
    check_name(new.name)
    final, files = new.file, store.folder.files()
    there = _files_of(new.name, files)
    if there and not new.overwrite:
        raise VdiskExists(store=store.name, name=new.name, files=", ".join(there))
    images = images_of(new.name, files)
    if images:
        _check_unused(store, new.name, images, files)
        _check_replaceable(new, images, final)


def publish(  # noqa: PLR0913  # the last two are options, by keyword only
    source: DiskReader,
    store: Store,
    new: NewVdisk,
    state: Path,
    *,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Published:
    """Copy `source` into the store as the vDisk `new`. Raises `StoreError`, `DiskError`.

    `state` is a folder of this publication's own, here. What fails in the middle is gone on with
    by the same call with the same folder, and given up with `drop`.
    """
    work = _Work(store, new, state)
    content = work.content(source)
    if content is None or not work.is_named(content, progress):
        if content is None or not work.is_copied():
            check(store, new)
            content = work.copy(source, progress, cancel)
        work.prove(content, progress)
        # Hours may have gone by.
        check(store, new)
        work.give_name()
    work.forget()
    return Published(store.folder.address(work.final), content, work.set_aside())


def set_aside(store: Store, name: str) -> tuple[str, ...]:
    """Give what describes the vDisk `name` other names, when its disk was replaced: sizes and
    versions are no longer so. Returns them."""
    files = _sidecars(name, store.folder.files())
    for file in files:
        store.folder.rename(file, file + REPLACED, replace=True)
    return tuple(file + REPLACED for file in files)


def drop(store: Store, new: NewVdisk, state: Path) -> None:
    """Remove what an unfinished publication has left in the store and in `state`."""
    work = _Work(store, new, state)
    target = work.target()
    target.open()
    target.discard()
    store.folder.remove(work.unproven)
    work.forget()


class _Work:
    """One publication, and what it keeps in its folder: journal, blocks, and the content."""

    def __init__(self, store: Store, new: NewVdisk, state: Path) -> None:
        self._folder, self._new = store.folder, new
        self.final = new.file
        """As the store spells it, if it is there."""
        self.unproven = self.final + UNPROVEN
        self._content, self._source = state / "content.manifest", state / "source"
        self._journal, self._blocks = state / "journal", state / "blocks"

    def content(self, source: DiskReader) -> Manifest | None:
        """What an earlier call has copied to the end from the same source."""
        if not self._content.exists() or self._source.read_text() != source.fingerprint:
            return None
        return Manifest.load(self._content)

    def is_copied(self) -> bool:
        """Whether there is a disk that waits for its proof."""
        return self.unproven in self._folder.files()

    def is_named(self, content: Manifest, progress: Progress | None) -> bool:
        """Whether an earlier call has come as far as to give the name."""
        self.final = spelt(self.final, self._folder.files()) or self.final
        if self.is_copied() or self.final not in self._folder.files():
            return False
        return self._read(self.final, progress) == content.root

    def target(self) -> TargetFile:
        """The file of the unproven disk, begun or gone on with."""
        return self._folder.target(self.unproven, self._blocks, resume=True)

    def copy(
        self, source: DiskReader, progress: Progress | None, cancel: threading.Event | None
    ) -> Manifest:
        """Write the unproven disk, whole, and keep what it holds."""
        block = self._new.block_size if self._new.format is DiskFormat.VHDX else None
        writer = create_disk(self.target(), self._new.format, source.size, block_size=block)
        self._content.unlink(missing_ok=True)
        self._source.write_text(source.fingerprint)
        content = copy(source, writer, progress=progress, cancel=cancel, journal=self._journal)
        content = content.padded(writer.size)
        content.save(self._content)
        return content

    def prove(self, content: Manifest, progress: Progress | None) -> None:
        """Read the unproven disk back. Raises `NotAsWritten`, and removes it."""
        found = self._read(self.unproven, progress)
        if found == content.root:
            return
        self._folder.remove(self.unproven)
        self.forget()
        name = self._folder.address(self.final)
        raise NotAsWritten(file=name, read=found.hex(), written=content.root.hex())

    def give_name(self) -> None:
        """Let the proven disk be the vDisk.

        What describes the one that it replaces goes first: sizes and versions are no longer so,
        and whatever is there afterwards was written for the new one.
        """
        set_aside(Store(self._folder), self._new.name)
        self.final = spelt(self.final, self._folder.files()) or self.final
        self._folder.rename(self.unproven, self.final, replace=self._new.overwrite)

    def set_aside(self) -> tuple[str, ...]:
        """What described the vDisk that was replaced, by the names that it has now."""
        files = self._folder.files() if self._new.overwrite else {}
        names = (file.removesuffix(REPLACED) for file in files if file.endswith(REPLACED))
        found = _sidecars(self._new.name, dict.fromkeys(names, 0))
        return tuple(file + REPLACED for file in found)

    def forget(self) -> None:
        """Remove what is kept here."""
        for file in (self._content, self._source, self._journal, self._blocks):
            file.unlink(missing_ok=True)

    def _read(self, file: str, progress: Progress | None) -> bytes:
        with open_disk(self._folder.open(file)) as reader:
            return tree_hash(reader, progress).root


def _check_unused(store: Store, name: str, images: list[ImageName], files: dict[str, int]) -> None:
    sizes = {file.casefold(): size for file, size in files.items()}
    for image in images:
        if sizes.get(image.lock.casefold()):
            detail = f"its lock file {image.lock} is not empty"
            raise VdiskInUse(name=name, file=image.file, detail=detail)
        try:
            store.folder.require_unused(image.file)
        except InUseError as error:
            raise VdiskInUse(name=name, file=image.file, detail=error.data["detail"]) from error


def _check_replaceable(new: NewVdisk, images: list[ImageName], final: str) -> None:
    if len(images) > 1 or images[0].number:
        listed = ", ".join(image.file for image in images)
        detail = f"it has versions ({listed}), which would lose their base"
    elif images[0].file.casefold() != final.casefold():
        detail = f"it is {images[0].file}, and there would be two vDisks of one name"
    else:
        return
    raise VdiskNotReplaceable(name=new.name, detail=detail)


def _files_of(name: str, files: dict[str, int]) -> list[str]:
    """Every file that would be taken for a part of the vDisk."""
    return [image.file for image in images_of(name, files)] + _sidecars(name, files)


def _sidecars(name: str, files: dict[str, int]) -> list[str]:
    wanted = {f"{name}.pvp".casefold(), manifest_of(name).casefold()}
    return sorted(file for file in files if file.casefold() in wanted)
