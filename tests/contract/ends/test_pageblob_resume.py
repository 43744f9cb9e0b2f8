"""Page blobs that are gone on with, brought up to date, or there already (managed disks)."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imageport.disk import copy as copying
from imageport.disk.base import MIB, SECTOR, DiskWriter
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.errors import NotFoundError, RefusedError
from imageport.disk.ends.pageblob import lease as leasing
from imageport.disk.ends.pageblob.file import MARK, PageBlobFile
from imageport.disk.ends.pageblob.service import WORKERS, Options
from imageport.disk.ends.pageblob.target import PageBlobTarget
from imageport.disk.errors import (
    CopyCancelledError,
    NotADiskError,
    TargetTooSmallError,
    UnsupportedError,
)
from imageport.disk.manifest import BLOCK, Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat
from tests.contract.ends.azurite import Azurite, StrictBlobs, signature
from tests.contract.ends.contract import SIZE, make_disk

pytestmark = pytest.mark.xdist_group("azurite")
NAME = "disk.vhd"
FOOTER = 512


@pytest.fixture(autouse=True)
def journal_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make_target` sets it, in this process, too."""
    monkeypatch.setattr(copying, "SYNC_EVERY", copying.SYNC_EVERY)


def make_target(address: str, state: str, size: int, sync: int, **options: Any) -> DiskWriter:
    """A target that is gone on with; also for `copy_child`, whose journal is kept more finely."""
    copying.SYNC_EVERY = sync
    place = PageBlobTarget(
        address,
        signature(NAME),
        state=Path(state),
        resume=True,
        options=Options(patience=20),
        **options,
    )
    return create_disk(place, DiskFormat.VHD_FIXED, size)


def start_child(source: Path, blobs: StrictBlobs, folder: Path, **args: Any) -> Any:
    job = {
        "source": str(source),
        "make": f"{__name__}:make_target",
        "args": {"address": blobs.address_of(NAME), "state": str(folder / "state.json"), **args},
        "journal": str(folder / "journal"),
    }
    command = [sys.executable, "-m", "tests.contract.ends.copy_child", json.dumps(job)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool], seconds: float = 1500) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read(blobs: StrictBlobs) -> Manifest:
    file = PageBlobFile(blobs.address_of(NAME), signature(NAME, "r"), options=Options(patience=20))
    with open_disk(file) as reader:
        return tree_hash(reader)


def noise(path: Path, size: int) -> None:
    """A disk of data with a hole in its middle."""
    random_bytes = random.Random(3)
    with open(path, "wb") as file:
        for start in range(0, size, 16 * MIB):
            file.seek(start)
            file.write(random_bytes.randbytes(14 * MIB))
        file.truncate(size)


@pytest.mark.parametrize(
    ("size", "sync"),
    [
        pytest.param(96 * MIB, 8 * MIB, id="96MiB"),
        pytest.param(
            4096 * MIB, 256 * MIB, id="4GiB", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]
        ),
    ],
)
def test_killed_copy_goes_on(blobs: StrictBlobs, tmp_path: Path, size: int, sync: int) -> None:
    source = tmp_path / "source.raw"
    noise(source, size)
    data = size // 16 * 14
    child = start_child(source, blobs, tmp_path, size=size, sync=sync)
    wait_until(lambda: blobs.pages_written() > data // 2)
    child.kill()
    child.wait()
    child.stdout.close()
    wait_until(lambda: all(request.status for request in list(blobs.requests)))
    before = blobs.pages_written()
    assert before < data
    with pytest.raises(NotADiskError, match="not been finished"):
        read(blobs)
    child = start_child(source, blobs, tmp_path, size=size, sync=sync)
    printed, _ = child.communicate(timeout=1800)
    assert child.returncode == 0
    moved = blobs.pages_written() - before
    # What was under way and what the journal did not know of yet is sent again, nothing else.
    assert moved <= data - before + sync + (WORKERS + 1) * MIB
    with open_disk(source) as reader:
        root = tree_hash(reader).root
    assert printed.strip() == root.hex()
    assert read(blobs).root == root
    assert [path.name for path in tmp_path.iterdir()] == ["source.raw"]


def test_killed_copy_is_begun_anew_without_resume(blobs: StrictBlobs, tmp_path: Path) -> None:
    """The lease that the killed process left does not stand in the way of its successor."""
    source = tmp_path / "source.raw"
    noise(source, 48 * MIB)
    child = start_child(source, blobs, tmp_path, size=48 * MIB, sync=MIB)
    wait_until(lambda: blobs.pages_written() > 16 * MIB)
    child.kill()
    child.wait()
    child.stdout.close()
    place = PageBlobTarget(blobs.address_of(NAME), signature(NAME), state=tmp_path / "state.json")
    with open_disk(source) as reader:
        copied = copy(reader, create_disk(place, DiskFormat.VHD_FIXED, reader.size))
    assert read(blobs).root == copied.root


def interrupted(
    source: Path, blobs: StrictBlobs, folder: Path, base: Manifest | None = None, **options: Any
) -> None:
    """Copy a third of `source`, with a journal."""
    cancel = threading.Event()

    def stop(done: int, total: int) -> None:
        if done > total // 3:
            cancel.set()

    with open_disk(source) as reader, pytest.raises(CopyCancelledError):
        target = make_target(
            blobs.address_of(NAME), str(folder / "state.json"), reader.size, MIB, **options
        )
        copy(
            reader,
            target,
            journal=folder / "journal",
            cancel=cancel,
            workers=1,
            progress=stop,
            base=base,
        )


def test_stale_pages_do_not_show_through(
    blobs: StrictBlobs, azure: Azurite, tmp_path: Path
) -> None:
    """With its journal lost, an unfinished blob is begun anew: other data may be in the holes."""
    first, second = tmp_path / "first.raw", tmp_path / "second.raw"
    noise(first, SIZE)
    make_disk(second)
    interrupted(first, blobs, tmp_path)
    (tmp_path / "journal").unlink()
    with open_disk(second) as reader:
        target = make_target(blobs.address_of(NAME), str(tmp_path / "state.json"), reader.size, MIB)
        copied = copy(reader, target, journal=tmp_path / "journal")
    assert azure.blob(NAME).download_blob().readall()[:SIZE] == second.read_bytes()
    assert read(blobs).root == copied.root


def test_lease_is_renewed(
    blobs: StrictBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "_RENEW_EVERY", 0.1)
    target = make_target(blobs.address_of(NAME), str(tmp_path / "state"), MIB, MIB)
    wait_until(lambda: sum("comp=lease" in each.path for each in list(blobs.requests)) > 4, 20)
    target.abort()
    wait_until(lambda: not any(thread.name == "lease" for thread in threading.enumerate()), 20)


@pytest.mark.slow
def test_lease_that_ended_is_renewed_when_nobody_wrote(
    blobs: StrictBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "SECONDS", 15)
    monkeypatch.setattr(leasing, "_RENEW_EVERY", 1000)
    target = make_target(blobs.address_of(NAME), str(tmp_path / "state"), MIB, MIB)
    time.sleep(17)
    target.write(0, memoryview(b"x" * 512))
    target.finish()
    assert read(blobs).size == MIB


class TestManagedDisk:
    """A blob that is there already; Azurite does not have md- accounts, so it is said outright."""

    def make(self, azure: Azurite, size: int = SIZE) -> None:
        azure.blob(NAME).create_page_blob(size + FOOTER)

    def copy(self, source: Path, blobs: StrictBlobs, folder: Path) -> Manifest:
        with open_disk(source) as reader:
            target = make_target(
                blobs.address_of(NAME), str(folder / "state"), reader.size, MIB, existing=True
            )
            return copy(reader, target)

    def test_only_its_pages_are_touched(
        self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path
    ) -> None:
        self.make(azure)
        azure.blob(NAME).upload_page(b"old!" * 128, 4 * MIB, 512)
        source = tmp_path / "source.raw"
        make_disk(source)
        copied = self.copy(source, blobs, tmp_path)
        comps = {
            request.path.partition("comp=")[2].partition("&")[0]
            for request in blobs.requests
            if request.method not in ("GET", "HEAD")
        }
        assert comps == {"page"}
        content = azure.blob(NAME).download_blob().readall()
        assert content[:SIZE] == source.read_bytes()
        assert content[SIZE:].startswith(b"conectix")
        assert read(blobs).root == copied.root

    def test_empty_one_is_not_cleared(
        self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path
    ) -> None:
        self.make(azure)
        source = tmp_path / "source.raw"
        make_disk(source)
        self.copy(source, blobs, tmp_path)
        pages = [each for each in blobs.requests if "comp=page&" in each.path + "&"]
        assert all(each.sent for each in pages)

    def test_failed_copy_leaves_the_blob(
        self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path
    ) -> None:
        self.make(azure)
        target = make_target(
            blobs.address_of(NAME), str(tmp_path / "state"), SIZE, MIB, existing=True
        )
        target.abort()
        target.abort()
        assert azure.blob(NAME).get_blob_properties().size == SIZE + FOOTER

    def test_killed_copy_goes_on(self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path) -> None:
        self.make(azure)
        source = tmp_path / "source.raw"
        make_disk(source)
        interrupted(source, blobs, tmp_path, existing=True)
        before = blobs.pages_written()
        with open_disk(source) as reader:
            target = make_target(
                blobs.address_of(NAME), str(tmp_path / "state.json"), SIZE, MIB, existing=True
            )
            copied = copy(reader, target, journal=tmp_path / "journal")
        assert before > MIB
        assert blobs.pages_written() - before < 9 * MIB - before + 4 * MIB
        assert azure.blob(NAME).download_blob().readall()[:SIZE] == source.read_bytes()
        assert read(blobs).root == copied.root

    def test_size_must_be_the_disks(
        self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path
    ) -> None:
        self.make(azure)
        azure.blob(NAME).upload_page(b"old!" * 128, 0, 512)
        where = blobs.address_of(NAME), str(tmp_path / "state")
        with pytest.raises(TargetTooSmallError):
            make_target(*where, 2 * SIZE, MIB, existing=True)
        with pytest.raises(UnsupportedError, match="a file of"):
            make_target(*where, SIZE // 2, MIB, existing=True)
        assert azure.blob(NAME).download_blob(0, 512).readall() == b"old!" * 128
        place = PageBlobTarget(where[0], signature(NAME), state=tmp_path / "state", existing=True)
        assert place.existing_size() == SIZE + FOOTER
        place.close()

    def test_must_be_there(self, blobs: StrictBlobs, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            make_target(blobs.address_of(NAME), str(tmp_path / "s"), SIZE, MIB, existing=True)


class TestUpdate:
    """A new version of a disk, in the blob of the last one."""

    CHANGED = (1, 9, 40)
    ZEROED = 24

    @pytest.fixture
    def versions(self, tmp_path: Path) -> tuple[Path, Path]:
        first, second = tmp_path / "first.raw", tmp_path / "second.raw"
        make_disk(first)
        content = bytearray(first.read_bytes())
        for block in self.CHANGED:
            content[block * BLOCK + 700 : block * BLOCK + 900] = b"new!" * 50
        content[self.ZEROED * BLOCK : (self.ZEROED + 1) * BLOCK] = bytes(BLOCK)
        second.write_bytes(content)
        return first, second

    def copy(self, source: Path, blobs: StrictBlobs, folder: Path, **options: Any) -> Manifest:
        base = options.pop("base", None)
        with open_disk(source) as reader:
            target = make_target(
                blobs.address_of(NAME), str(folder / "state.json"), SIZE, MIB, **options
            )
            return copy(reader, target, base=base, journal=folder / "journal")

    def test_only_changed_blocks_move(
        self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path, versions: tuple[Path, Path]
    ) -> None:
        base = self.copy(versions[0], blobs, tmp_path)
        assert base.leaves[self.ZEROED] != bytes(32)
        azure.blob(NAME).set_blob_metadata({"owner": "somebody"})
        blobs.clear()
        copied = self.copy(versions[1], blobs, tmp_path, update=True, base=base)
        assert 0 < blobs.pages_written() <= len(self.CHANGED) * BLOCK + FOOTER
        assert azure.blob(NAME).download_blob().readall()[:SIZE] == versions[1].read_bytes()
        assert read(blobs).root == copied.root
        assert azure.blob(NAME).get_blob_properties().metadata == {"owner": "somebody"}

    def test_ranges_through_the_target_itself(
        self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path, versions: tuple[Path, Path]
    ) -> None:
        self.copy(versions[0], blobs, tmp_path)
        place = PageBlobTarget(
            blobs.address_of(NAME), signature(NAME), state=tmp_path / "state.json", update=True
        )
        place.open()
        assert not place.zeroed
        place.truncate(SIZE + FOOTER)
        assert MARK in azure.blob(NAME).get_blob_properties().metadata
        blobs.clear()
        place.write(5 * SECTOR, b"abcd" * 256)
        place.zero(8 * MIB, MIB)
        place.complete()
        assert blobs.pages_written() == 1024
        expected = bytearray(versions[0].read_bytes())
        expected[5 * SECTOR : 7 * SECTOR] = b"abcd" * 256
        expected[8 * MIB : 9 * MIB] = bytes(MIB)
        assert azure.blob(NAME).download_blob().readall()[:SIZE] == expected

    def test_interrupted_update_goes_on_and_nobody_else_goes_on_with_it(
        self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path, versions: tuple[Path, Path]
    ) -> None:
        base = self.copy(versions[0], blobs, tmp_path)
        interrupted(versions[1], blobs, tmp_path, base=base, update=True)
        with pytest.raises(NotADiskError, match="not been finished"):
            read(blobs)
        with pytest.raises(RefusedError, match="earlier copy"):
            make_target(blobs.address_of(NAME), str(tmp_path / "other"), SIZE, MIB, update=True)
        copied = self.copy(versions[1], blobs, tmp_path, update=True, base=base)
        assert azure.blob(NAME).download_blob().readall()[:SIZE] == versions[1].read_bytes()
        assert read(blobs).root == copied.root

    @pytest.mark.parametrize("wrote", [True, False])
    def test_aborted_update_stays_marked_when_it_wrote(
        self,
        azure: Azurite,
        blobs: StrictBlobs,
        tmp_path: Path,
        versions: tuple[Path, Path],
        wrote: bool,
    ) -> None:
        base = self.copy(versions[0], blobs, tmp_path)
        target = make_target(
            blobs.address_of(NAME), str(tmp_path / "state.json"), SIZE, MIB, update=True
        )
        if wrote:
            target.write(0, memoryview(b"half" * 128))
        target.abort()
        assert azure.blob(NAME).get_blob_properties().lease.status == "unlocked"
        if not wrote:
            assert read(blobs).root == base.root
            return
        assert azure.blob(NAME).get_blob_properties().size == SIZE + FOOTER
        with pytest.raises(NotADiskError, match="not been finished"):
            read(blobs)
