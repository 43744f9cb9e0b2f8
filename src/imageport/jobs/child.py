"""An output that is a child of its source: a differencing disk with what the job has changed.

Only blocks that differ are written; the parent is read and never written to.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from imageport.disk.base import DiskWriter
from imageport.disk.child import child_format, create_child
from imageport.disk.manifest import Manifest
from imageport.disk.mapped import MappedReader
from imageport.disk.treehash import Progress, tree_hash
from imageport.jobs.errors import ChildFolder, ChildName, SourceChanged
from imageport.jobs.folder import JobFolder
from imageport.model.job import JobRequest, MigrateRequest
from imageport.model.target import PROFILES, DiskFormat


def output_format(request: JobRequest, source: DiskFormat) -> DiskFormat:
    """What is written: the target's format, or that of the source's children; where no disk is
    written, the source's."""
    if request.writes_child:
        return child_format(source)
    return PROFILES[request.target].format if isinstance(request, MigrateRequest) else source


def check_child(request: JobRequest, source: DiskFormat) -> None:
    """Whether the output can be a child of the source: one is begun, of which nothing stays.

    Raises ChildFolder, ChildName, and DiskError for a source that has no children.
    """
    parent, output = Path(request.source), Path(request.output)
    if output.parent != parent.parent:
        raise ChildFolder(path=str(output), folder=str(parent.parent))
    wanted = child_format(source)
    # Citrix Provisioning and Hyper-V call children of a .vhdx .avhdx.
    suffixes = [f".{wanted}", *([] if wanted is DiskFormat.QCOW2 else [f".a{wanted}"])]
    if output.suffix.lower() not in suffixes:
        said = " or ".join(suffixes)
        raise ChildName(path=str(output), format=wanted, parent=source, suffix=said)
    # Its own name: the same job may be at work on the output in another process.
    trial = output.with_name(f"{output.stem}.trial-{secrets.token_hex(4)}{output.suffix}")
    create_child(trial, parent, wanted).abort()


def source_manifest(folder: JobFolder) -> Path:
    """Where the hash of each block of the source is kept, for its child."""
    return folder.path / "source.manifest"


def child_writer(folder: JobFolder, source: DiskFormat, path: Path) -> DiskWriter:
    """Create `path` as a child of the job's source. Raises DiskError."""
    return create_child(path, Path(folder.request.source), child_format(source))


def check_parent(child: MappedReader, folder: JobFolder, progress: Progress) -> None:
    """Read a finished child's parent again. Raises SourceChanged unless it is as it was."""
    parent = child.parent
    before = Manifest.load(source_manifest(folder))
    if parent is None or tree_hash(parent, progress).root != before.root:
        raise SourceChanged(path=folder.request.source)
