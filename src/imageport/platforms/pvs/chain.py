"""Whether an open chain of files is one that Provisioning would have made."""

from __future__ import annotations

from itertools import pairwise
from pathlib import PurePosixPath

from imageport.disk.mapped import MappedReader
from imageport.platforms.pvs.errors import ChainUnexpected, ParentChanged
from imageport.platforms.pvs.vdisk import VDisk, Version


def check_chain(vdisk: VDisk, disk: MappedReader) -> tuple[Version, ...]:
    """The versions that an open disk is made of, the base last.

    That each parent is the very file that its child was made on, its reader has made sure by the
    ids in both. Raises `ChainUnexpected`, and `ParentChanged` for what only the manifest shows.
    """
    readers = list(disk.chain())
    chain = tuple(_version(vdisk, reader) for reader in readers)
    for above, below in pairwise(chain):
        if below.number >= above.number:
            detail = f"its parent {below.file} is no older version"
            raise ChainUnexpected(file=above.file, name=vdisk.name, detail=detail)
    for version, reader in zip(chain, readers, strict=True):
        _check_kind(vdisk, version, is_base=reader.parent is None)
    for above, below in pairwise(chain):
        _check_size(above, below)
    return chain


def _version(vdisk: VDisk, reader: MappedReader) -> Version:
    file = PurePosixPath(reader.file.name).name
    found = vdisk.named(file)
    if found is None:
        raise ChainUnexpected(file=file, name=vdisk.name, detail="it is no version of that vDisk")
    return found


def _check_kind(vdisk: VDisk, version: Version, *, is_base: bool) -> None:
    """A base has no parent, and everything else has one."""
    detail = ""
    if is_base and version.image.child:
        detail = "by its suffix it has a parent, and by its content it has none"
    elif not is_base and not version.number:
        detail = "it would be the base of all, and it has a parent"
    elif vdisk.manifest is not None:
        detail = _objection(vdisk.manifest.file, version, is_base)
    if detail:
        raise ChainUnexpected(file=version.file, name=vdisk.name, detail=detail)


def _objection(manifest: str, version: Version, is_base: bool) -> str:
    entry = version.entry
    if entry is None:
        return f"{manifest} does not list it"
    if entry.file.casefold() != version.file.casefold():
        return f"{manifest} has {entry.file} in its place"
    if entry.origin is not None and entry.origin.is_base != is_base:
        said = "a base" if entry.origin.is_base else "made on another version"
        return f"by {manifest} it is {said}, and by its content it is not"
    return ""


def _check_size(above: Version, below: Version) -> None:
    """What has a child is not written to: its size is still that of the export."""
    if below.entry is not None and below.entry.size not in (None, below.size):
        detail = f"it had {below.entry.size} bytes when it was exported, and has {below.size}"
        raise ParentChanged(file=above.file, parent=below.file, detail=detail)
