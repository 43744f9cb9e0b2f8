"""Proofs as files: a folder beside the output with a signed `proof.json`, pictures and texts."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from imageport.disk.difference import differences
from imageport.disk.manifest import Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import Progress, tree_hash
from imageport.jobs.errors import ProofBroken, ProofUnwritable
from imageport.jobs.folder import JobFolder
from imageport.jobs.output import MANIFEST, unproven
from imageport.jobs.preflight import proof_draft, proof_folder
from imageport.jobs.signature import sign, signer
from imageport.model.proof import AnyProof, ConversionProof, Proof

PROOF = "proof.json"
SIGNATURE = "proof.json.sig"

P = TypeVar("P", Proof, ConversionProof)

PROOFS: TypeAdapter[AnyProof] = TypeAdapter(Annotated[AnyProof, Field(union_mode="left_to_right")])
"""Reads and writes any kind of proof."""


def prove(proof: P, folder: JobFolder) -> P:
    """Write a job's proof, then give its output its name. Raises ProofUnwritable."""
    complete = write_proof(proof, folder.evidence)
    path = Path(proof.output.path)
    if unproven(path).exists():
        unproven(path).rename(path)
    return complete


def write_proof(proof: P, evidence: Path) -> P:
    """Write the proof's folder whole or not at all; returns the proof with its files' checksums.

    Raises ProofUnwritable.
    """
    folder = proof_folder(Path(proof.output.path))
    try:
        return _write(proof, evidence, folder)
    except OSError as error:
        raise ProofUnwritable(path=str(folder), detail=error.strerror or str(error)) from error


def _write(proof: P, evidence: Path, folder: Path) -> P:
    partial = proof_draft(Path(proof.output.path))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for path in evidence.iterdir():
        # One by one: copytree's error is a list of texts that no longer says why.
        shutil.copy2(path, partial)
    files = {path.name: _sha256(path) for path in sorted(partial.iterdir())}
    complete = replace(proof, files=files)
    data = PROOFS.dump_json(complete, indent=2)
    (partial / PROOF).write_bytes(data)
    (partial / SIGNATURE).write_text(sign(data))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return complete


def read_proof(path: Path) -> AnyProof:
    """The proof of an output, given the output, its proof folder or the JSON file itself.

    Raises ProofBroken.
    """
    file = _proof_file(path)
    try:
        return PROOFS.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ProofBroken(path=str(file), detail=str(error).splitlines()[0]) from error


def check_proof(path: Path, progress: Progress | None = None) -> str:
    """Check signature, files and the output's content; returns the signer's public key.

    Raises ProofBroken, or DiskError when the output cannot be read.
    """
    file = _proof_file(path)
    proof = read_proof(file)
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
    # The proof may have been moved together with its output.
    output = file.parent.with_name(Path(proof.output.path).name)
    with open_disk(output) as reader:
        found = tree_hash(reader, progress)
    if found.root.hex() != proof.output.root:
        proven = Manifest.load(file.parent / MANIFEST)
        first = next(differences(proven, found), None)
        where = f", and it differs first in the block at byte {first.offset}" if first else ""
        raise ProofBroken(path=str(output), detail=f"its content hash is {found.root.hex()}{where}")
    return key


def _proof_file(path: Path) -> Path:
    if path.name == PROOF:
        return path
    if path.is_dir():
        return path / PROOF
    return proof_folder(path) / PROOF


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
