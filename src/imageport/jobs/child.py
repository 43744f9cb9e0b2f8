"""An output that is a child of its source: a differencing disk with what the job has changed.

Only blocks that differ are written; the parent is read and never written to.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from imageport.disk.base import DiskWriter
from imageport.disk.child import child_format, create_child_of
from imageport.disk.ends.open import Access, open_source
from imageport.disk.manifest import Manifest
from imageport.disk.mapped import MappedReader
from imageport.disk.treehash import tree_hash
from imageport.jobs.errors import ChildName, SourceChanged
from imageport.jobs.folder import JobFolder
from imageport.jobs.migration import JobRun
from imageport.jobs.outputs.base import Output
from imageport.model.job import JobRequest, MigrateRequest
from imageport.model.target import PROFILES, DiskFormat


def output_format(request: JobRequest, source: DiskFormat) -> DiskFormat:
    """What is written: the target's format, or that of the source's children; where no disk is
    written, the source's."""
    if request.writes_child:
        return child_format(source)
    if isinstance(request, MigrateRequest):
        return request.format or PROFILES[request.target].format
    return source


def check_child(request: JobRequest, source: DiskFormat, access: Access, output: Output) -> None:
    """Whether the output can be a child of the source: one is begun, of which nothing stays.

    Raises ChildFolder, ChildName, and DiskError for a source that has no children.
    """
    name = output.check_beside(request.source)
    wanted = child_format(source)
    # Citrix Provisioning and Hyper-V call children of a .vhdx .avhdx.
    suffixes = [f".{wanted}", *([] if wanted is DiskFormat.QCOW2 else [f".a{wanted}"])]
    if PurePosixPath(output.address).suffix.lower() not in suffixes:
        said = " or ".join(suffixes)
        raise ChildName(path=output.address, format=wanted, parent=source, suffix=said)
    create_child_of(_parent(request.source, access), output.trial(), wanted, name).abort()


def source_manifest(folder: JobFolder) -> Path:
    """Where the hash of each block of the source is kept, for its child."""
    return folder.path / "source.manifest"


def child_writer(run: JobRun[Any]) -> DiskWriter:
    """Create the output as a child of the job's source. Raises DiskError."""
    source = run.request.source
    name = run.output.check_beside(source)
    target = run.output.target(resume=False)
    wanted = child_format(run.source.format)
    return create_child_of(_parent(source, run.ends.source), target, wanted, name)


def _parent(source: str, access: Access) -> MappedReader:
    reader = open_source(source, access)
    assert isinstance(reader, MappedReader)  # noqa: S101  # files are; a child lies beside one
    return reader


def check_parent(child: MappedReader, run: JobRun[Any]) -> None:
    """Read a finished child's parent again. Raises SourceChanged unless it is as it was."""
    parent = child.parent
    before = Manifest.load(source_manifest(run.folder))
    if parent is None or tree_hash(parent, run.report_bytes).root != before.root:
        raise SourceChanged(path=run.request.source)
