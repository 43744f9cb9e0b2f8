"""The job `publish` (SPEC B4): a disk becomes a vDisk in a store of Citrix Provisioning."""

from __future__ import annotations

import time
from typing import Any

from imageport.disk.base import data_bytes
from imageport.disk.ends.folders import open_folder
from imageport.disk.ends.open import open_source
from imageport.disk.errors import DiskError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.host.lock import exclusive
from imageport.jobs.copies import CopyRequest, copy_folder
from imageport.jobs.ends import Ends
from imageport.jobs.errors import NoSpace
from imageport.jobs.outputs.share import advice
from imageport.jobs.report import Reporter
from imageport.platforms.pvs.errors import VdiskExists
from imageport.platforms.pvs.publish import NewVdisk, Published, check, drop, publish
from imageport.platforms.pvs.store import Store


def store_at(address: str, ends: Ends) -> Store:
    """The store behind a path or `smb://host/share/folder`. Raises `DiskError`."""
    return Store(open_folder(address, ends.output))


def plan_publication(
    source: str, store: str, new: NewVdisk, ends: Ends, reporter: Reporter
) -> dict[str, Any]:
    """Everything that publishing would check; sizes in bytes. Raises `StoreError`, `DiskError`,
    `NoSpace`."""
    reporter.step_started("look", f"Look at {source} and {store}")
    began = time.monotonic()
    place = store_at(store, ends)
    check(place, new)
    with open_source(source, ends.source) as reader:
        size, data = reader.size, data_bytes(reader)
    free = place.folder.free_space()
    if free < data:
        raise NoSpace(path=store, free=free, needed=data)
    reporter.step_done("look", time.monotonic() - began)
    return {
        "source": source,
        "target": place.folder.address(new.file),
        "virtual_size": size,
        "free": free,
        "warnings": advice(store, free, size),
    }


def publish_disk(  # noqa: PLR0913, PLR0917  # what, where, as what, by whose rights, and for whom
    source: str,
    store: str,
    new: NewVdisk,
    ends: Ends,
    reporter: Reporter,
    id: str | None = None,
    *,
    take_same: bool = False,
) -> dict[str, Any]:
    """Write the vDisk, and read it back before it has its name. Raises `StoreError`, `DiskError`.

    Killed, the same call goes on; one that fails leaves nothing. With `take_same`, a vDisk that is
    there and holds what the source does is the result, see `copies.copy_disk`.
    """
    folder = copy_folder(CopyRequest(source, f"{store}/{new.file}", new.format), id)
    with exclusive(folder.lock, what=f"the vDisk {new.name}"):
        place = store_at(store, ends)
        try:
            with open_source(source, ends.source) as reader:
                reporter.step_started("copy", f"Publish {new.name} in {store}")
                began = time.monotonic()

                def tell(done: int, total: int) -> None:
                    reporter.progress(done, total, "bytes")

                done = publish(reader, place, new, folder.path, progress=tell)
                reporter.step_done("copy", time.monotonic() - began)
        except VdiskExists:
            folder.remove()
            same = _same(source, place, new, ends) if take_same else None
            if same is None:
                raise
            return same
        except BaseException:
            _drop(place, new, folder.path, reporter)
            folder.remove()
            raise
        folder.remove()
    return _result(done)


def _result(done: Published) -> dict[str, Any]:
    return {
        "target": done.address,
        "root": done.content.root.hex(),
        "virtual_size": done.content.size,
        "read_back": True,
        "set_aside": list(done.set_aside),
    }


def _same(source: str, place: Store, new: NewVdisk, ends: Ends) -> dict[str, Any] | None:
    """The vDisk that is there already, if it is this one."""
    if new.file not in place.folder.files():
        return None
    with open_disk(place.folder.open(new.file)) as reader:
        found = tree_hash(reader)
    with open_source(source, ends.source) as reader:
        wanted = tree_hash(reader).padded(found.size)
    if found.root != wanted.root:
        return None
    return _result(Published(place.folder.address(new.file), found, ()))


def _drop(place: Store, new: NewVdisk, state: Any, reporter: Reporter) -> None:
    try:
        drop(place, new, state)
    except DiskError as error:
        reporter.say(f"Warning: an unfinished file may be left: {error.message}")
