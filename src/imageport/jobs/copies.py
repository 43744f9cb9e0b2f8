"""Copying a disk from any end to any other: gone on with after a crash, read back at the end.

A copy's folder lies below `copies/` of the state folder until the copy is complete:

request.json    what is copied where
lock            held while a process works on it
journal         which blocks are in the target for good
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from imageport.disk.base import DiskReader, ResumableWriter
from imageport.disk.copy import copy
from imageport.disk.ends.errors import DeniedError
from imageport.disk.ends.open import Access, Made, Wish, open_source, open_target
from imageport.disk.errors import TargetExistsError
from imageport.disk.manifest import Manifest
from imageport.disk.treehash import tree_hash
from imageport.host.files import write_whole
from imageport.host.home import home, subfolder
from imageport.host.lock import exclusive, is_held
from imageport.jobs.errors import OutputDiffers
from imageport.jobs.report import Reporter
from imageport.model.target import DiskFormat


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What is copied where. Addresses without secrets, or absolute paths."""

    source: str
    target: str
    format: DiskFormat | None = None
    base: str | None = None
    """Path of the manifest of what the target holds already: then only changed blocks move."""
    overwrite: bool = False
    options: dict[str, str] = field(default_factory=dict)
    """The target end's own options."""

    @property
    def id(self) -> str:
        """The same for the same request."""
        said = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Copied:
    """A complete copy, and the address that it can be read from."""

    address: str
    content: Manifest
    read_back: bool

    def as_dict(self) -> dict[str, Any]:
        """For scripts: address, content hash, virtual size in bytes."""
        return {
            "target": self.address,
            "root": self.content.root.hex(),
            "virtual_size": self.content.size,
            "read_back": self.read_back,
        }


@dataclass(frozen=True, slots=True)
class CopyFolder:
    """The folder of a copy under way."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the process that copies."""
        return self.path / "lock"

    @property
    def journal(self) -> Path:
        """See `disk.journal`."""
        return self.path / "journal"

    @property
    def target(self) -> str:
        """Where the copy goes."""
        said: dict[str, str] = json.loads((self.path / "request.json").read_text())
        return said["target"]

    @property
    def begun(self) -> bool:
        """Whether anything was kept that can be gone on with."""
        return any(path.name not in ("request.json", "lock") for path in self.path.iterdir())

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.path, ignore_errors=True)


def copy_disk(  # noqa: PLR0913  # what one copy is made of, the last by keyword
    request: CopyRequest,
    source: Access,
    target: Access,
    reporter: Reporter,
    *,
    cancel: Event | None = None,
    read_back: bool = True,
    take_same: bool = False,
    unread: bool = False,
    id: str | None = None,
) -> Copied:
    """Copy, and read the target back through its end. Raises `ImageportError`.

    A copy that fails keeps what it has copied where the target can be gone on with: the same
    request goes on, or the one with the same `id`. With `take_same`, a target that is there and
    holds what the source does is the result: somebody may have ended this very copy, and not come
    to say so. With `unread`, a target that may be written and not read counts as complete: its end
    has confirmed every block.
    """
    folder = copy_folder(request, id)
    with exclusive(folder.lock, what=f"the copy to {request.target}"):
        try:
            made, content = _copy(request, folder, source, target, reporter, cancel)
        except TargetExistsError:
            same = take_same and _same(request, source, target, reporter)
            if not folder.begun or same:
                folder.remove()
            if not same:
                raise
            return same
        except BaseException:
            if not folder.begun:
                folder.remove()
            raise
        address = made.address()
        read_back = read_back and _read_back(address, target, content, reporter, unread=unread)
        folder.remove()
    return Copied(address, content, read_back)


def drop_copy(request: CopyRequest, source: Access, target: Access, id: str | None = None) -> None:
    """Remove what an unfinished copy has left at the target and here. Raises `DiskError`."""
    folder = copy_folder(request, id)
    with exclusive(folder.lock, what=f"the copy to {request.target}"):
        if folder.begun:
            with open_source(request.source, source) as reader:
                open_target(request.target, _wish(request, reader, target, folder)).writer.abort()
        folder.remove()


def unfinished_copies() -> Iterator[CopyFolder]:
    """The copies that no process works on."""
    for path in sorted(subfolder("copies").iterdir()):
        folder = CopyFolder(path)
        if (path / "request.json").exists() and not is_held(folder.lock):
            yield folder


def forget_copy(id: str) -> bool:
    """Remove what is kept here of a copy that another computer has gone on with; False while a
    process works on it."""
    folder = CopyFolder(home() / "copies" / id)
    if folder.path.exists() and is_held(folder.lock):
        return False
    folder.remove()
    return True


def copy_folder(request: CopyRequest, id: str | None) -> CopyFolder:
    """The folder of a copy: made, or found again from an earlier, killed one."""
    path = subfolder("copies", id or request.id)
    # The address of a web server may be signed: nobody else reads it.
    write_whole(path / "request.json", [json.dumps(asdict(request)).encode()])
    return CopyFolder(path)


def _wish(request: CopyRequest, reader: DiskReader, access: Access, folder: CopyFolder) -> Wish:
    return Wish(
        source=reader,
        access=access,
        state=folder.path,
        format=request.format,
        update=request.base is not None,
        overwrite=request.overwrite,
        options=request.options,
    )


def _copy(  # noqa: PLR0913, PLR0917  # as above
    request: CopyRequest,
    folder: CopyFolder,
    source: Access,
    target: Access,
    reporter: Reporter,
    cancel: Event | None,
) -> tuple[Made, Manifest]:
    base = Manifest.load(Path(request.base)) if request.base else None
    reporter.step_started("copy", f"Copy to {request.target}")
    began = time.monotonic()
    with open_source(request.source, source) as reader:
        made = open_target(request.target, _wish(request, reader, target, folder))
        content = copy(
            reader,
            made.writer,
            progress=lambda done, total: reporter.progress(done, total, "bytes"),
            cancel=cancel,
            journal=folder.journal if isinstance(made.writer, ResumableWriter) else None,
            base=base,
        )
    reporter.step_done("copy", time.monotonic() - began)
    return made, content.padded(made.writer.size)


def _same(
    request: CopyRequest, source: Access, target: Access, reporter: Reporter
) -> Copied | None:
    """The copy that is there already, if it is one."""
    reporter.say(f"{request.target} is there already: comparing it with the source.")

    def content(address: str, access: Access) -> Manifest:
        with open_source(address, access) as reader:
            return tree_hash(reader, lambda done, total: reporter.progress(done, total, "bytes"))

    found = content(request.target, target)
    wanted = content(request.source, source).padded(found.size)
    return Copied(request.target, found, True) if found.root == wanted.root else None


def _read_back(
    address: str, access: Access, content: Manifest, reporter: Reporter, *, unread: bool
) -> bool:
    """False when it may not be read."""
    reporter.step_started("read-back", f"Read {address} back")
    began = time.monotonic()
    try:
        with open_source(address, access) as reader:
            found = tree_hash(reader, lambda done, total: reporter.progress(done, total, "bytes"))
            found = found.padded(max(found.size, content.size))
    except DeniedError as error:
        if not unread:
            raise
        reporter.say(f"Warning: what was written is not read back: {error.message}")
        return False
    if found.root != content.root:
        raise OutputDiffers(path=address, read=found.root.hex(), written=content.root.hex())
    reporter.step_done("read-back", time.monotonic() - began)
    return True
