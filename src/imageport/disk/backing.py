"""Which other files an image may draw in, and how a reader asks for its parent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from imageport.disk.errors import (
    BackingMismatchError,
    BackingMissingError,
    BackingRefusedError,
)
from imageport.disk.file import ImageFile, LocalFile
from imageport.disk.mapped import MappedReader
from imageport.disk.remote import RemoteFile
from imageport.model.target import DiskFormat

MAX_DEPTH = 64
"""Files in a chain; XenServer stops at 30, VMware at 32, Hyper-V advises fewer than 50."""


class Chain(Protocol):
    """How a reader opens the other files that its image names."""

    def open_parent(
        self, child: ImageFile, names: Sequence[str], format: DiskFormat | None = None
    ) -> MappedReader:
        """Open the first of `names` that exists as `child`'s parent.

        `format` says what it must be read as; None detects it. Raises `BackingRefusedError`,
        `BackingMissingError` and every error of opening a disk.
        """

    def open_part(self, owner: ImageFile, name: str) -> ImageFile:
        """Open a data file that `owner`'s descriptor names, under the same rules."""


@dataclass(frozen=True, slots=True)
class BackingPolicy:
    """Where named files may lie: in the naming file's folder always, elsewhere only if allowed.

    `allowed` is True for anywhere, False for nowhere else, or the folders that are trusted. An
    absolute name is refused unless `allowed` covers it, even where it leads into the own folder.
    """

    allowed: bool | Collection[Path] = False

    def open(self, owner: ImageFile, names: Sequence[str]) -> ImageFile:
        """Open the first existing file among `names`, as `owner` names them.

        A file that is not on this computer may name files of its own folder, and no others. Raises
        `BackingRefusedError`, `BackingMissingError` and what opening a file raises.
        """
        if isinstance(owner, LocalFile):
            return LocalFile(self.find(owner.path, names))
        for name in names:
            plain = name.removeprefix("./")
            if "/" in plain or "\0" in plain or plain in ("", ".", ".."):
                detail = "only files of the same folder are followed here"
                raise BackingRefusedError(file=owner.name, backing=repr(name), detail=detail)
            found = owner.beside(plain) if isinstance(owner, RemoteFile) else None
            if found is not None:
                return found
        raise _missing(owner.name, names)

    def find(self, owner: Path, names: Sequence[str]) -> Path:
        """The first existing file among `names`, as `owner` names them.

        Raises `BackingRefusedError` when an allowed name exists nowhere and another is refused,
        `BackingMissingError` when no name exists.
        """
        refusal: BackingRefusedError | None = None
        for name in names:
            try:
                path = self._permit(owner, name)
            except BackingRefusedError as error:
                refusal = refusal or error
                continue
            if path.exists():
                return path
        if refusal is not None:
            raise refusal
        raise _missing(str(owner), names)

    def _permit(self, owner: Path, name: str) -> Path:
        if "\0" in name or not name:
            raise BackingRefusedError(file=str(owner), backing=repr(name), detail="no file name")
        if name.partition(":")[1] and not name.startswith(("/", ".")):
            detail = "only plain file names are followed, no protocols, options or drive letters"
            raise BackingRefusedError(file=str(owner), backing=name, detail=detail)
        folder = owner.absolute().parent
        path = folder / name
        roots = [] if isinstance(self.allowed, bool) else list(self.allowed)
        if not Path(name).is_absolute():
            roots.append(folder)
        # Links are followed before the test: one that leads outside is outside.
        real = path.resolve()
        if self.allowed is True or any(real.is_relative_to(root.resolve()) for root in roots):
            return path
        detail = "it lies outside the folder of the file that names it"
        raise BackingRefusedError(file=str(owner), backing=name, detail=detail)


def _missing(owner: str, names: Sequence[str]) -> BackingMissingError:
    missing = ", ".join(names) or "a parent that it does not name"
    return BackingMissingError(file=owner, backing=missing)


def verified(
    child: ImageFile, parent: MappedReader, expected: Collection[UUID | int]
) -> MappedReader:
    """`parent`, or `BackingMismatchError` (and it is closed) when it is none of `expected`."""
    if parent.identity in expected:
        return parent
    parent.close()
    raise BackingMismatchError(
        file=child.name,
        backing=parent.file.name,
        found=str(parent.identity),
        expected=" or ".join(map(str, expected)),
    )
