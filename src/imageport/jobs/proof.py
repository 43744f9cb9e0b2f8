"""Proofs as files: a folder beside the output with a signed `proof.json`, pictures and texts."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from imageport.disk.difference import differences
from imageport.disk.ends.open import is_local
from imageport.disk.manifest import Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import Progress, tree_hash
from imageport.jobs.errors import ProofBroken
from imageport.jobs.signature import sign, signer
from imageport.model.proof import AnyProof, ConversionProof, Proof

PROOF = "proof.json"
SIGNATURE = "proof.json.sig"
ARCHIVE = ".zip"
MANIFEST = "content.manifest"
"""The proof's file with the hash of each block of the output."""

P = TypeVar("P", Proof, ConversionProof)

PROOFS: TypeAdapter[AnyProof] = TypeAdapter(Annotated[AnyProof, Field(union_mode="left_to_right")])
"""Reads and writes any kind of proof."""


def build_proof(proof: P, evidence: Path, folder: Path) -> P:
    """Make `folder` with a proof and its files; returns the proof with their checksums.

    Raises OSError.
    """
    folder.mkdir()
    for path in evidence.iterdir():
        # One by one: copytree's error is a list of texts that no longer says why.
        shutil.copy2(path, folder)
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    complete = replace(proof, files=files)
    data = PROOFS.dump_json(complete, indent=2)
    (folder / PROOF).write_bytes(data)
    (folder / SIGNATURE).write_text(sign(data))
    return complete


def proof_folder(output: Path) -> Path:
    """Where the proof of an output of this computer is."""
    return output.with_name(output.name + ".proof")


def proof_place(address: str) -> str:
    """Where the proof of an output is, at whatever address; on a share it is one file."""
    return str(proof_folder(Path(address))) if is_local(address) else f"{address}.proof.zip"


def read_proof(path: Path) -> AnyProof:
    """The proof of an output, given the output, its proof's folder or archive, or the JSON file.

    Raises ProofBroken.
    """
    with _unpacked(path) as file:
        return _read(file)


def _read(file: Path) -> AnyProof:
    try:
        return PROOFS.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ProofBroken(path=str(file), detail=str(error).splitlines()[0]) from error


def check_proof(path: Path, progress: Progress | None = None) -> str:
    """Check signature, files and the output's content; returns the signer's public key.

    Raises ProofBroken, or DiskError when the output cannot be read.
    """
    with _unpacked(path) as file:
        proof = _read(file)
        key = _check_files(file, proof)
        # The proof may have been moved together with its output.
        beside = path if path.suffix == ARCHIVE else file.parent
        output = beside.with_name(PurePosixPath(proof.output.path).name)
        with open_disk(output) as reader:
            found = tree_hash(reader, progress)
        if found.root.hex() != proof.output.root:
            first = next(differences(Manifest.load(file.parent / MANIFEST), found), None)
            where = f", and it differs first in the block at byte {first.offset}" if first else ""
            detail = f"its content hash is {found.root.hex()}{where}"
            raise ProofBroken(path=str(output), detail=detail)
        return key


def _check_files(file: Path, proof: AnyProof) -> str:
    try:
        key = signer(file.read_bytes(), (file.parent / SIGNATURE).read_text())
    except OSError as error:
        raise ProofBroken(path=str(file), detail="it has no signature") from error
    if key is None:
        raise ProofBroken(path=str(file), detail="its signature does not fit")
    for name, checksum in proof.files.items():
        evidence = file.parent / name
        if not evidence.is_file() or _sha256(evidence) != checksum:
            raise ProofBroken(path=str(evidence), detail="it is not the file that was signed")
    return key


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The proof's JSON file, with the others beside it. Raises ProofBroken."""
    if path.suffix != ARCHIVE:
        yield _proof_file(path)
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(scratch)
        except (OSError, zipfile.BadZipFile) as error:
            raise ProofBroken(path=str(path), detail=str(error)) from error
        yield Path(scratch, PROOF)


def _proof_file(path: Path) -> Path:
    if path.name == PROOF:
        return path
    if path.is_dir():
        return path / PROOF
    return proof_folder(path) / PROOF


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
