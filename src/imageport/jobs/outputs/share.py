"""Outputs on an SMB share; what goes with them is one archive beside them."""

from __future__ import annotations

import io
import secrets
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

from imageport.disk.ends.errors import AddressError
from imageport.disk.ends.open import Access
from imageport.disk.ends.smb.folder import SmbFolder
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.target import SUFFIX, SmbTarget
from imageport.disk.errors import DiskError
from imageport.disk.mapped import MappedReader
from imageport.disk.open import open_disk
from imageport.jobs.errors import ChildFolder, NoSpace, OutputExists, ProofUnwritable
from imageport.jobs.outputs.base import P
from imageport.jobs.proof import PROOF, PROOFS, build_proof
from imageport.model.credentials import UsernamePassword
from imageport.model.proof import AnyProof

ROOM = 2
"""Times the virtual size that a share should have free (F6): an image, and what is made of it."""


class ShareOutput:
    """See `Output`: `NAME.unproven.EXTENSION` gets its name with `NAME.proof.zip` beside it."""

    def __init__(self, address: str, access: Access, state: Path, *, overwrite: bool) -> None:
        """`state`: a folder here in which an unfinished file is kept account of."""
        self.address = address
        self._state, self._overwrite = state, overwrite
        self._account = access.needed(address, UsernamePassword)
        self._place = SmbLocation.parse(address)
        self._folder = SmbFolder(self._place.parent, self._account)
        name = PurePosixPath(self._place.path)
        self._name, self._stem, self._suffix = name.name, name.stem, name.suffix
        self._unproven = f"{name.stem}.unproven{name.suffix}"
        self._proof = f"{name.name}.proof.zip"

    def check(self, needed: int, virtual_size: int) -> list[str]:
        """See `Output`."""
        there = self._there()
        for name in (self._name, self._proof):
            if name.casefold() in there and not self._overwrite:
                raise OutputExists(path=self._folder.address(name))
        return room(self._place, self._folder.free_space(), needed, virtual_size)

    def check_beside(self, source: str) -> str:
        """See `Output`."""
        with suppress(AddressError):
            place = SmbLocation.parse(source)
            if place.parent == self._place.parent:
                return PurePosixPath(place.path).name
        raise ChildFolder(path=self.address, folder=source.rpartition("/")[0])

    def trial(self) -> SmbTarget:
        """See `Output`."""
        return self._target(f"{self._stem}.trial-{secrets.token_hex(4)}{self._suffix}", "trial")

    def target(self, *, resume: bool) -> SmbTarget:
        """See `Output`."""
        self._folder.remove(self._unproven)
        return self._target(self._unproven, "output", resume=resume)

    def open(self) -> MappedReader:
        """See `Output`."""
        return open_disk(self._folder.open(self._unproven))

    def proven(self) -> AnyProof | None:
        """See `Output`."""
        there = self._there()
        named = {self._name.casefold(), self._proof.casefold()} <= there
        if not named or self._unproven.casefold() in there:
            return None
        with zipfile.ZipFile(io.BytesIO(self._read(self._proof))) as archive:
            return PROOFS.validate_json(archive.read(PROOF))

    def prove(self, proof: P, evidence: Path) -> P:
        """See `Output`."""
        with tempfile.TemporaryDirectory(dir=self._state) as scratch:
            folder = Path(scratch, "proof")
            complete = build_proof(proof, evidence, folder)
            try:
                self._upload(self._proof, zipped(folder))
            except DiskError as error:
                path = self._folder.address(self._proof)
                raise ProofUnwritable(path=path, detail=error.message) from error
        if self._unproven.casefold() in self._there():
            self._folder.rename(self._unproven, self._name, replace=self._overwrite)
        return complete

    def keep_evidence(self, evidence: Path) -> str:
        """See `Output`."""
        name = f"{self._name}.failure.zip"
        self._upload(name, zipped(evidence))
        return self._folder.address(name)

    def remove_unfinished(self) -> None:
        """See `Output`."""
        there = self._there()
        left = [f"{self._unproven}{SUFFIX}", f"{self._proof}{SUFFIX}", self._unproven]
        if self._unproven.casefold() in there and self._name.casefold() not in there:
            left.append(self._proof)
        for name in left:
            if name.casefold() in there:
                self._folder.remove(name)

    def _there(self) -> set[str]:
        """Names in the folder; servers do not tell capital letters apart."""
        return {name.casefold() for name in self._folder.files()}

    def _target(
        self, name: str, record: str, *, resume: bool = False, overwrite: bool = False
    ) -> SmbTarget:
        return SmbTarget(
            self._place.beside(name),
            self._account,
            state=self._state / f"{record}.blocks",
            resume=resume,
            overwrite=overwrite,
        )

    def _upload(self, name: str, data: bytes) -> None:
        target = self._target(name, "archive", overwrite=True)
        target.open()
        try:
            target.write(0, data)
            target.complete()
        except BaseException:
            target.discard()
            raise

    def _read(self, name: str) -> bytes:
        file = self._folder.open(name)
        try:
            return file.read(0, file.size, "archive")
        finally:
            file.close()


def room(place: SmbLocation, free: int, needed: int, virtual_size: int) -> list[str]:
    """A warning where a share has fewer bytes free than are advised. Raises NoSpace where it has
    fewer than needed."""
    if free < needed:
        raise NoSpace(path=place.parent.name, free=free, needed=needed)
    return advice(place.parent.name, free, virtual_size)


def advice(folder: str, free: int, virtual_size: int) -> list[str]:
    """A warning where there is less room than is advised."""
    if free >= ROOM * virtual_size:
        return []
    return [f"{folder} has {free} bytes free; {ROOM * virtual_size} are advised."]


def zipped(folder: Path) -> bytes:
    """The files of a folder, as an archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return data.getvalue()
