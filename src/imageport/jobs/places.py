"""Folders that diagnostics go to: on this computer, or on a share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from imageport.disk.ends.errors import AddressError
from imageport.disk.ends.open import Access, is_local
from imageport.jobs.errors import OutputFolder
from imageport.model.credentials import UsernamePassword


class Place(Protocol):
    """A folder; paths are below it, with slashes. Everything may be repeated, and raises
    ImageportError."""

    def exists(self, path: str = "") -> bool:
        """Whether a file or folder is there."""

    def make(self, path: str) -> None:
        """Make a folder, unless it is there."""

    def write(self, path: str, content: IO[bytes]) -> None:
        """Write a file."""

    def read(self, path: str) -> bytes:
        """A small file's content."""

    def rename(self, path: str, new: str) -> None:
        """Give a file or folder another name, which nothing has."""

    def remove(self, path: str) -> None:
        """Remove a file or a folder with its content, if it is there."""


class LocalFolder:
    """A folder of this computer. Methods raise OutputFolder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def exists(self, path: str = "") -> bool:
        """See `Place`."""
        return (self._folder / path).exists()

    def make(self, path: str) -> None:
        """See `Place`."""
        with self._mapped():
            (self._folder / path).mkdir(exist_ok=True)

    def write(self, path: str, content: IO[bytes]) -> None:
        """See `Place`."""
        with self._mapped(), (self._folder / path).open("wb") as file:
            shutil.copyfileobj(content, file)

    def read(self, path: str) -> bytes:
        """See `Place`."""
        with self._mapped():
            return (self._folder / path).read_bytes()

    def rename(self, path: str, new: str) -> None:
        """See `Place`."""
        with self._mapped():
            (self._folder / path).rename(self._folder / new)

    def remove(self, path: str) -> None:
        """See `Place`."""
        place = self._folder / path
        with self._mapped():
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            detail = error.strerror or str(error)
            raise OutputFolder(path=str(self._folder), detail=detail) from error


@contextmanager
def open_place(address: str, access: Access) -> Iterator[Place]:
    """The folder at a path, or at `smb://host/share/folder`.

    Raises AddressError, and CredentialError without an account for a share.
    """
    if is_local(address):
        yield LocalFolder(Path(address))
        return
    if not address.lower().startswith("smb://"):
        raise AddressError(file=address.partition("://")[0], detail="it is no smb:// address")
    # The library takes a while to import.
    from imageport.disk.ends.smb import SmbLocation, SmbTree  # noqa: PLC0415

    account = access.needed(address, UsernamePassword)
    with SmbTree(SmbLocation.parse(address), account) as folder:
        yield folder


def free_at(address: str, access: Access) -> int:
    """Bytes that may still be stored in the folder. Raises as `open_place` does."""
    if is_local(address):
        return shutil.disk_usage(address).free
    from imageport.disk.ends.smb import SmbLocation, free_space  # noqa: PLC0415  # as above

    return free_space(SmbLocation.parse(address), access.needed(address, UsernamePassword))
