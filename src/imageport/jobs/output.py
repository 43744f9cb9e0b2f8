"""Writing the output: one pass from the work disk, read back before it gets its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imageport.disk.base import GIB, DiskWriter, ResumableWriter
from imageport.disk.copy import copy
from imageport.disk.create import STREAMS, create_disk
from imageport.disk.manifest import Manifest
from imageport.disk.treehash import tree_hash
from imageport.jobs.child import check_parent, child_writer, output_format, source_manifest
from imageport.jobs.errors import OutputDiffers
from imageport.jobs.migration import JobRun
from imageport.jobs.proof import MANIFEST
from imageport.jobs.work_disk import open_work_disk
from imageport.model.job import MigrateRequest
from imageport.model.proof import DiskProof
from imageport.model.target import DiskFormat, Provisioning, Target
from imageport.platforms.pvs.publish import BLOCK as VDISK_BLOCK


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: virtual size in bytes, and the root of its tree hash (hex)."""

    size: int
    root: str


def write_output(run: JobRun[Any]) -> Written:
    """Write the changed content in the target's format, or as a child of the source.

    Goes on where a killed copy stopped, where the format allows it. Raises DiskError.
    """
    with open_work_disk(run.folder, run.ends) as reader:
        writer, base = _writer(run, reader.size)
        manifest = copy(
            reader,
            writer,
            progress=run.report_bytes,
            cancel=run.cancel,
            journal=_journal(run) if isinstance(writer, ResumableWriter) else None,
            base=base,
        )
        return Written(writer.size, manifest.padded(writer.size).root.hex())


def _journal(run: JobRun[Any]) -> Any:
    return run.folder.path / "output.journal"


def _writer(run: JobRun[Any], size: int) -> tuple[DiskWriter, Manifest | None]:
    """What to write to, and what it holds already: a child, all of its parent."""
    request = run.request
    if request.writes_child:
        return child_writer(run), Manifest.load(source_manifest(run.folder))
    format = output_format(request, run.source.format)
    target = run.output.target(resume=format not in STREAMS)
    size = _target_size(request, format, size)
    return create_disk(target, format, size, block_size=_block_size(request, format)), None


def _block_size(request: MigrateRequest, format: DiskFormat) -> int | None:
    """Provisioning's, of what is to be a vDisk; None for the format's own."""
    vdisk = request.provisioning is Provisioning.PVS and format is DiskFormat.VHDX
    return VDISK_BLOCK if vdisk else None


def _target_size(request: MigrateRequest, format: DiskFormat, size: int) -> int:
    """Google takes whole GiB only; other formats round by themselves."""
    whole = request.target is Target.GCP and format is DiskFormat.RAW
    return -(-size // GIB) * GIB if whole else size


def read_back(run: JobRun[Any], written: Written) -> DiskProof:
    """Read the output whole and compare; of a child, also its parent with what it was.

    Raises OutputDiffers (it is removed), SourceChanged or DiskError.
    """
    with run.output.open() as reader:
        manifest = tree_hash(reader, run.report_bytes)
        if run.request.writes_child:
            check_parent(reader, run)
        root = manifest.root.hex()
        proof = DiskProof(run.output.address, reader.format, reader.size, reader.file.size, root)
    if root != written.root or proof.virtual_size != written.size:
        run.output.remove_unfinished()
        raise OutputDiffers(path=run.output.address, read=root, written=written.root)
    manifest.save(run.folder.evidence / MANIFEST)
    return proof
