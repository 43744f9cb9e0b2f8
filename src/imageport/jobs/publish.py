"""The job `publish` (SPEC B4): a disk becomes a vDisk in a store of Citrix Provisioning."""

from __future__ import annotations

import time
from typing import Any

from imageport.disk.base import data_bytes
from imageport.disk.ends.folders import open_folder
from imageport.disk.ends.open import open_source
from imageport.disk.errors import DiskError
from imageport.host.lock import exclusive
from imageport.jobs.copies import CopyRequest, copy_folder
from imageport.jobs.ends import Ends
from imageport.jobs.errors import NoSpace
from imageport.jobs.outputs.share import advice
from imageport.jobs.report import Reporter
from imageport.platforms.pvs.publish import NewVdisk, check, drop, publish
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
    source: str, store: str, new: NewVdisk, ends: Ends, reporter: Reporter, id: str | None = None
) -> dict[str, Any]:
    """Write the vDisk, and read it back before it has its name. Raises `StoreError`, `DiskError`.

    Killed, the same call goes on; one that fails leaves nothing.
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
        except BaseException:
            _drop(place, new, folder.path, reporter)
            folder.remove()
            raise
        folder.remove()
    return {
        "target": done.address,
        "root": done.content.root.hex(),
        "virtual_size": done.content.size,
        "read_back": True,
        "set_aside": list(done.set_aside),
    }


def _drop(place: Store, new: NewVdisk, state: Any, reporter: Reporter) -> None:
    try:
        drop(place, new, state)
    except DiskError as error:
        reporter.say(f"Warning: an unfinished file may be left: {error.message}")
