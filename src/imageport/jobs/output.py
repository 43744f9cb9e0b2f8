"""Writing the output: one pass from the work disk, read back before it gets its name."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from imageport.disk.base import GIB, DiskWriter, ResumableWriter
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.manifest import Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import Progress, tree_hash
from imageport.jobs.child import check_parent, child_writer, source_manifest
from imageport.jobs.errors import OutputDiffers
from imageport.jobs.folder import JobFolder
from imageport.jobs.preflight import SourceFacts, proof_draft, proof_folder
from imageport.jobs.work_disk import open_work_disk
from imageport.model.job import MigrateRequest
from imageport.model.proof import DiskProof
from imageport.model.target import PROFILES, Target

MANIFEST = "content.manifest"
"""The proof's file with the hash of each block of the output."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: virtual size in bytes, and the root of its tree hash (hex)."""

    size: int
    root: str


def unproven(output: Path) -> Path:
    """The output's name until it was read back."""
    return output.with_name(f"{output.stem}.unproven{output.suffix}")


def write_output(
    folder: JobFolder, source: SourceFacts, progress: Progress, cancel: Event
) -> Written:
    """Write the changed content in the target's format, or as a child of the source.

    Goes on where a killed copy stopped, where the format allows it. Raises DiskError.
    """
    path = unproven(Path(folder.request.output))
    journal = folder.path / "output.journal"
    path.unlink(missing_ok=True)
    with open_work_disk(folder) as reader:
        writer, base = _writer(folder, source, path, reader.size)
        resumable = isinstance(writer, ResumableWriter)
        manifest = copy(
            reader,
            writer,
            progress=progress,
            cancel=cancel,
            journal=journal if resumable else None,
            base=base,
        )
        return Written(writer.size, manifest.padded(writer.size).root.hex())


def _writer(
    folder: JobFolder, source: SourceFacts, path: Path, size: int
) -> tuple[DiskWriter, Manifest | None]:
    """What to write to, and what it holds already: a child, all of its parent."""
    request = folder.request
    if request.writes_child:
        writer = child_writer(folder, source.format, path)
        return writer, Manifest.load(source_manifest(folder))
    assert isinstance(request, MigrateRequest)  # noqa: S101 - all others write children
    size = _target_size(request.target, size)
    return create_disk(path, PROFILES[request.target].format, size, resume=True), None


def _target_size(target: Target, size: int) -> int:
    """Google takes whole GiB only; other formats round by themselves."""
    return -(-size // GIB) * GIB if target is Target.GCP else size


def read_back(folder: JobFolder, written: Written, progress: Progress) -> DiskProof:
    """Read the output whole and compare; of a child, also its parent with what it was.

    Raises OutputDiffers (it is removed), SourceChanged or DiskError.
    """
    output = Path(folder.request.output)
    path = unproven(output)
    with open_disk(path) as reader:
        manifest = tree_hash(reader, progress)
        if folder.request.writes_child:
            check_parent(reader, folder, progress)
        root = manifest.root.hex()
        proof = DiskProof(str(output), reader.format, reader.size, path.stat().st_size, root)
    if root != written.root or proof.virtual_size != written.size:
        path.unlink()
        raise OutputDiffers(path=str(path), read=root, written=written.root)
    manifest.save(folder.evidence / MANIFEST)
    return proof


def unfinished(output: Path) -> list[Path]:
    """What an unfinished migration has written beside its output."""
    path = unproven(output)
    names = [path.name, f"{path.name}.partial", f"{path.name}.partial.blocks"]
    names.append(proof_draft(output).name)
    if path.exists():
        # The proof is whole a moment before the output gets its name.
        names.append(proof_folder(output).name)
    return [found for found in map(path.with_name, names) if found.exists()]


def remove_unfinished(output: Path) -> None:
    """Remove it."""
    for path in unfinished(output):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
