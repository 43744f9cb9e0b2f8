"""Addresses of disks, here and elsewhere, and the ends behind them.

| address | read | write |
|---|---|---|
| a path | any format, a block device | any format that we write, a block device |
| `smb://host[:port]/share/folder/file` | any format | any format that we write |
| `nbd://host[:port]/export`, `nbds://` (TLS), `nbd+unix:///export?socket=PATH` | raw | raw |
| `http://`, `https://` | any format | |
| `pageblob://host/container/blob`, also of a managed disk | fixed VHD | fixed VHD |
| `ebs://region/snap-...`; `ebs://region/` for a new snapshot | raw | raw |
| `gs://bucket/object` | any format, Google's archive | Google's archive |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

from imageport.disk.base import DiskReader, DiskWriter
from imageport.disk.convert import format_of
from imageport.disk.create import STREAMS, create_for, open_in_place
from imageport.disk.ends.errors import AddressError, EndError
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.model.credentials import Credential
from imageport.model.target import DiskFormat

T = TypeVar("T")
C = TypeVar("C")


class CredentialError(EndError):
    """An end needs another kind of credential than it was given."""

    code: ClassVar[str] = "end.credential"
    sentence: ClassVar[str] = (
        "{file} needs a credential of the kind {wanted}; it was given {given}."
    )
    remedy: ClassVar[str] = "Give a credentials file of that kind for this end."


@dataclass(frozen=True, slots=True)
class Access:
    """What it takes to reach an end."""

    credential: Credential | None = None
    ca: Path | None = None
    """PEM file of the authorities that are trusted for this end alone; None for the usual ones."""
    endpoint: str | None = None
    """Where the service answers, when not at the vendor's own address."""

    def needed(self, address: str, kind: type[C]) -> C:
        """The credential, which must be of the kind. Raises `CredentialError`."""
        if isinstance(self.credential, kind):
            return self.credential
        raise self.unfit(address, kind.__name__)

    def unfit(self, address: str, wanted: str) -> CredentialError:
        """The error for a credential of another kind than the end at `address` needs."""
        given = type(self.credential).__name__ if self.credential else "none"
        return CredentialError(file=address, wanted=wanted, given=given)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a target is to be made for."""

    source: DiskReader
    access: Access
    state: Path
    """A folder of this copy's own, here, where an end keeps what it needs to be gone on with."""
    format: DiskFormat | None = None
    """What to write; None for what the address's name says."""
    update: bool = False
    """Write into what is there: an older version of the disk."""
    overwrite: bool = False
    """Replace what has the name already, when the copy is complete."""
    options: dict[str, str] = field(default_factory=dict)
    """The end's own options, by name."""

    def form(self, name: str) -> DiskFormat:
        """The format to write. Raises `FormatUnknownError`."""
        return self.format or format_of(name)


@dataclass(frozen=True, slots=True)
class Made:
    """A target that was opened, and where it can be read once it is finished."""

    writer: DiskWriter
    address: Callable[[], str]


def is_local(address: str) -> bool:
    """Whether an address is a path of this computer."""
    return "://" not in address


def open_source(address: str, access: Access) -> DiskReader:
    """Open the disk at an address, or at a path, for reading. Raises `DiskError`."""
    if is_local(address):
        return open_disk(Path(address))
    from imageport.disk.ends.schemes import SOURCES  # noqa: PLC0415  # clouds take long to import

    return _known(SOURCES, address, "read from")(address, access)


def open_target(address: str, wish: Wish) -> Made:
    """Make the disk at an address, or at a path, or go on with it. Raises `DiskError`."""
    if is_local(address):
        return Made(_local(Path(address), wish), lambda: address)
    from imageport.disk.ends.schemes import TARGETS  # noqa: PLC0415  # as above

    return _known(TARGETS, address, "written to")(address, wish)


def _local(path: Path, wish: Wish) -> DiskWriter:
    if wish.update:
        return open_in_place(path)
    if path.is_block_device():
        return create_for(wish.source, path, DiskFormat.RAW)
    form = wish.form(path.name)
    target = LocalTarget(path, resume=form not in STREAMS, overwrite=wish.overwrite)
    return create_for(wish.source, target, form)


def _known(known: dict[str, T], address: str, what: str) -> T:
    scheme = address.partition("://")[0].lower()
    if scheme not in known:
        detail = f"nothing is {what} with {scheme}, but with {', '.join(known)}"
        raise AddressError(file=f"{scheme}://...", detail=detail)
    return known[scheme]
