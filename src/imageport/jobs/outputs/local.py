"""Outputs in a folder of this computer."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

from imageport.disk.ends.open import is_local
from imageport.disk.mapped import MappedReader
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.host.home import home
from imageport.jobs.errors import (
    ChildFolder,
    NoSpace,
    OutputExists,
    OutputFolder,
    ProofUnwritable,
)
from imageport.jobs.outputs.base import P
from imageport.jobs.proof import build_proof, proof_folder, read_proof
from imageport.model.proof import AnyProof


class LocalOutput:
    """See `Output`: `NAME.unproven.EXTENSION` gets its name with the proof beside it."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.address, self._path, self._overwrite = str(path), path, overwrite
        self.unproven = path.with_name(f"{path.stem}.unproven{path.suffix}")
        self._draft = path.with_name(path.name + ".proof.partial")

    def check(self, needed: int, virtual_size: int) -> list[str]:
        """See `Output`."""
        del virtual_size
        for path in (self._path, proof_folder(self._path)):
            if path.exists() and not self._overwrite:
                raise OutputExists(path=str(path))
        folder = self._path.parent
        if not folder.is_dir():
            raise OutputFolder(path=str(folder), detail="there is no such folder")
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OutputFolder(path=str(folder), detail=error.strerror or str(error)) from error
        check_space(folder, needed)
        return []

    @property
    def shares_space(self) -> bool:
        """Whether it takes space from where our own files are."""
        folder = self._path.parent
        return folder.is_dir() and folder.stat().st_dev == home().stat().st_dev

    def check_beside(self, source: str) -> str:
        """See `Output`."""
        if not is_local(source) or Path(source).parent != self._path.parent:
            raise ChildFolder(path=self.address, folder=source.rpartition("/")[0])
        return Path(source).name

    def trial(self) -> LocalTarget:
        """See `Output`. Its own name: the same job may be at work in another process."""
        path = self._path
        return LocalTarget(path.with_name(f"{path.stem}.trial-{secrets.token_hex(4)}{path.suffix}"))

    def target(self, *, resume: bool) -> LocalTarget:
        """See `Output`."""
        self.unproven.unlink(missing_ok=True)
        return LocalTarget(self.unproven, resume=resume)

    def open(self) -> MappedReader:
        """See `Output`."""
        return open_disk(self.unproven)

    def proven(self) -> AnyProof | None:
        """See `Output`."""
        there = self._path.exists() and proof_folder(self._path).exists()
        # One that is to be replaced has its successor's proof for a moment.
        return read_proof(self._path) if there and not self.unproven.exists() else None

    def prove(self, proof: P, evidence: Path) -> P:
        """See `Output`."""
        folder = proof_folder(self._path)
        try:
            shutil.rmtree(self._draft, ignore_errors=True)
            complete = build_proof(proof, evidence, self._draft)
            shutil.rmtree(folder, ignore_errors=True)
            self._draft.rename(folder)
        except OSError as error:
            raise ProofUnwritable(path=str(folder), detail=error.strerror or str(error)) from error
        if self.unproven.exists():
            self.unproven.rename(self._path)
        return complete

    def keep_evidence(self, evidence: Path) -> str:
        """See `Output`."""
        kept = failure_folder(self._path)
        shutil.rmtree(kept, ignore_errors=True)
        try:
            shutil.copytree(evidence, kept)
        except OSError:
            shutil.rmtree(kept, ignore_errors=True)
            raise
        return str(kept)

    def unfinished(self) -> list[Path]:
        """What an unfinished job has written."""
        path = self.unproven
        names = [path.name, f"{path.name}.partial", f"{path.name}.partial.blocks", self._draft.name]
        if path.exists() and not self._path.exists():
            # The proof is whole a moment before the output gets its name.
            names.append(proof_folder(self._path).name)
        return [found for found in map(path.with_name, names) if found.exists()]

    def remove_unfinished(self) -> None:
        """See `Output`."""
        for path in self.unfinished():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def failure_folder(output: Path) -> Path:
    """Where the evidence of a job that failed goes."""
    return output.with_name(output.name + ".failure")


def check_space(folder: Path, needed: int) -> int:
    """The bytes that are free. Raises NoSpace when they are fewer than needed."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpace(path=str(folder), free=free, needed=needed)
    return free
