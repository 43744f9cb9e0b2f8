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
from imageport.disk.ends.smb.file import SmbFile
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.names import exists, remove, rename
from imageport.disk.ends.smb.space import free_space
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
        name = PurePosixPath(self._place.path)
        self._unproven = self._place.beside(f"{name.stem}.unproven{name.suffix}")
        self._proof = self._place.beside(f"{name.name}.proof.zip")

    def check(self, needed: int, virtual_size: int) -> list[str]:
        """See `Output`."""
        for place in (self._place, self._proof):
            if not self._overwrite and exists(place, self._account):
                raise OutputExists(path=place.name)
        free = free_space(self._place, self._account)
        return room(self._place, free, needed, virtual_size)

    def check_beside(self, source: str) -> str:
        """See `Output`."""
        with suppress(AddressError):
            place = SmbLocation.parse(source)
            if place.parent == self._place.parent:
                return PurePosixPath(place.path).name
        raise ChildFolder(path=self.address, folder=source.rpartition("/")[0])

    def trial(self) -> SmbTarget:
        """See `Output`."""
        name = PurePosixPath(self._place.path)
        trial = f"{name.stem}.trial-{secrets.token_hex(4)}{name.suffix}"
        return SmbTarget(self._place.beside(trial), self._account, state=self._record("trial"))

    def target(self, *, resume: bool) -> SmbTarget:
        """See `Output`."""
        remove(self._unproven, self._account)
        record = self._record("output")
        return SmbTarget(self._unproven, self._account, state=record, resume=resume)

    def open(self) -> MappedReader:
        """See `Output`."""
        return open_disk(SmbFile(self._unproven, self._account))

    def proven(self) -> AnyProof | None:
        """See `Output`."""
        there = all(exists(place, self._account) for place in (self._place, self._proof))
        if not there or exists(self._unproven, self._account):
            return None
        with zipfile.ZipFile(io.BytesIO(_read(self._proof, self._account))) as archive:
            return PROOFS.validate_json(archive.read(PROOF))

    def prove(self, proof: P, evidence: Path) -> P:
        """See `Output`."""
        with tempfile.TemporaryDirectory(dir=self._state) as scratch:
            folder = Path(scratch, "proof")
            complete = build_proof(proof, evidence, folder)
            try:
                self._upload(self._proof, zipped(folder))
            except DiskError as error:
                raise ProofUnwritable(path=self._proof.name, detail=error.message) from error
        if exists(self._unproven, self._account):
            rename(self._unproven, self._account, self._place, replace=self._overwrite)
        return complete

    def keep_evidence(self, evidence: Path) -> str:
        """See `Output`."""
        kept = self._place.beside(f"{PurePosixPath(self._place.path).name}.failure.zip")
        self._upload(kept, zipped(evidence))
        return kept.name

    def remove_unfinished(self) -> None:
        """See `Output`."""
        for place in (self._unproven, self._proof):
            remove(place.beside(PurePosixPath(place.path).name + SUFFIX), self._account)
        if exists(self._unproven, self._account):
            remove(self._unproven, self._account)
            if not exists(self._place, self._account):
                remove(self._proof, self._account)

    def _record(self, what: str) -> Path:
        return self._state / f"{what}.blocks"

    def _upload(self, place: SmbLocation, data: bytes) -> None:
        target = SmbTarget(place, self._account, state=self._record("archive"), overwrite=True)
        target.open()
        try:
            target.write(0, data)
            target.complete()
        except BaseException:
            target.discard()
            raise


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


def _read(place: SmbLocation, account: UsernamePassword) -> bytes:
    file = SmbFile(place, account)
    try:
        return file.read(0, file.size, "archive")
    finally:
        file.close()
