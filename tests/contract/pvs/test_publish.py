"""New vDisks: what they are, what they replace, and what a failure leaves."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from imageport.disk.base import MIB
from imageport.disk.ends.errors import InUseError
from imageport.disk.ends.smb.lane import READING, Share
from imageport.disk.errors import CopyCancelledError, UnsupportedError
from imageport.disk.file import ImageFile
from imageport.disk.folder import LocalFolder
from imageport.disk.open import open_disk
from imageport.disk.treehash import Progress, tree_hash
from imageport.model.target import DiskFormat
from imageport.platforms.pvs.errors import (
    NameRefused,
    NotAsWritten,
    VdiskExists,
    VdiskInUse,
    VdiskNotReplaceable,
)
from imageport.platforms.pvs.publish import NewVdisk, Published, check, drop, publish
from tests.contract.disk import libyal, qemu
from tests.contract.ends.contract import SIZE, make_disk
from tests.contract.pvs.stores import Site, held_open

FILE_PARAMETERS = UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B").bytes_le
LOGICAL_SECTOR = UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F").bytes_le


class Job:
    """A source, and the state of one publication of it."""

    def __init__(self, folder: Path) -> None:
        self.disk, self.state = folder / "master.raw", folder / "state"
        self.state.mkdir()
        make_disk(self.disk)

    def publish(
        self,
        site: Site,
        new: NewVdisk,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Published:
        with open_disk(self.disk) as source:
            return publish(source, site.store, new, self.state, progress=progress, cancel=cancel)

    @property
    def leftovers(self) -> list[Path]:
        return list(self.state.iterdir())


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def once(work: Callable[[], object]) -> Progress:
    """Does `work` at the first sign of progress."""
    done: list[int] = []

    def progress(now: int, total: int) -> None:
        if not done:
            done.append(now)
            work()

    return progress


def metadata(data: bytes, guid: bytes) -> bytes:
    """An item of the metadata region of a VHDX, which begins where the region table says."""
    region = next(
        offset
        for guid_, offset in (
            struct.unpack_from("<16sQ", data, 192 * 1024 + 16 + 32 * index) for index in range(2)
        )
        if guid_ == UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le
    )
    at = data.index(guid, region)
    offset, length = struct.unpack_from("<II", data, at + 16)
    return data[region + offset :][:length]


class TestWhatItIs:
    def test_vhdx(self, site: Site, job: Job) -> None:
        done = job.publish(site, NewVdisk("win"))
        assert done.address == site.folder.address("win.vhdx")
        assert site.names() == ["win.vhdx"]
        assert job.leftovers == []
        data, expected = (site.path / "win.vhdx").read_bytes(), job.disk.read_bytes()
        block, flags = struct.unpack("<II", metadata(data, FILE_PARAMETERS))
        assert (block, flags) == (32 * MIB, 0)
        assert metadata(data, LOGICAL_SECTOR) == struct.pack("<I", 512)
        assert qemu.content(site.path / "win.vhdx", "vhdx") == expected
        assert libyal.content(site.path / "win.vhdx", DiskFormat.VHDX) == expected
        with open_disk(job.disk) as source:
            assert done.content.root == tree_hash(source).root
        assert site.read() == expected

    def test_choice_of_block_size(self, site: Site, job: Job) -> None:
        job.publish(site, NewVdisk("win", block_size=2 * MIB))
        data = (site.path / "win.vhdx").read_bytes()
        assert struct.unpack("<II", metadata(data, FILE_PARAMETERS))[0] == 2 * MIB

    @pytest.mark.parametrize("form", [DiskFormat.VHD, DiskFormat.VHD_FIXED])
    def test_vhd(self, site: Site, job: Job, form: DiskFormat) -> None:
        job.publish(site, NewVdisk("win", form))
        assert site.names() == ["win.vhd"]
        with open_disk(site.path / "win.vhd") as reader:
            assert reader.format is form
        assert site.read() == job.disk.read_bytes()
        assert qemu.content(site.path / "win.vhd", "vpc")[:SIZE] == job.disk.read_bytes()

    def test_not_sparse_to_windows(self, shared: Site, job: Job) -> None:
        """Windows attaches no virtual disk whose file has the attribute (0x200).

        Looked at before the last renaming, in which Samba forgets it and Windows does not.
        """
        assert shared.samba
        lock, new = shared.path / "win.lok", NewVdisk("win", overwrite=True)
        shared.base("win.vhdx")
        with pytest.raises(VdiskInUse):
            job.publish(shared, new, once(lambda: lock.write_bytes(b"held")))
        said = shared.samba.client("data", "allinfo store\\win.vhdx.unproven")
        line = next(line for line in said.splitlines() if line.startswith("attributes:"))
        assert int(line.rpartition("(")[2].rstrip(")"), 16) & 0x200 == 0

    def test_other_formats(self, site: Site, job: Job) -> None:
        with pytest.raises(UnsupportedError):
            job.publish(site, NewVdisk("win", DiskFormat.QCOW2))

    @pytest.mark.parametrize("name", ["win.1", "win.vhdx", "a/b"])
    def test_names(self, site: Site, job: Job, name: str) -> None:
        with pytest.raises(NameRefused):
            job.publish(site, NewVdisk(name))
        assert site.names() == []

    def test_children_can_be_made(self, site: Site, job: Job) -> None:
        job.publish(site, NewVdisk("win"))
        site.contents["win.vhdx"] = job.disk.read_bytes()
        site.child("win.1.avhdx", "win.vhdx")
        assert site.read() == site.contents["win.1.avhdx"]


class TestWhatIsThere:
    def test_is_kept(self, site: Site, job: Job) -> None:
        site.base("win.vhdx")
        with pytest.raises(VdiskExists, match=r"win\.vhdx"):
            job.publish(site, NewVdisk("WIN"))
        assert site.read() == site.contents["win.vhdx"]

    @pytest.mark.parametrize("file", ["win.pvp", "win.xml"])
    def test_properties_alone_are_kept(self, site: Site, job: Job, file: str) -> None:
        (site.path / file).write_bytes(b"old")
        with pytest.raises(VdiskExists):
            job.publish(site, NewVdisk("win"))
        assert site.names() == [file]

    def test_is_overwritten(self, site: Site, job: Job) -> None:
        site.base("win.vhdx")
        for file in ("win.pvp", "win.xml", "win.lok", "winter.pvp"):
            (site.path / file).touch()
        done = job.publish(site, NewVdisk("win", overwrite=True))
        assert done.set_aside == ("win.pvp.replaced", "win.xml.replaced")
        kept = ["win.lok", "win.pvp.replaced", "win.vhdx", "win.xml.replaced", "winter.pvp"]
        assert site.names() == kept
        assert site.read() == job.disk.read_bytes()

    def test_may_be_absent(self, site: Site, job: Job) -> None:
        assert job.publish(site, NewVdisk("win", overwrite=True)).set_aside == ()

    def test_locked(self, site: Site, job: Job) -> None:
        site.base("win.vhdx")
        site.properties("win.pvp", 9)
        (site.path / "win.lok").write_bytes(b"held")
        with pytest.raises(VdiskInUse, match=r"win\.lok"):
            job.publish(site, NewVdisk("win", overwrite=True))
        assert (site.path / "win.vhdx").exists()
        assert not any("unproven" in name for name in site.names())

    def test_open_in_another_client(self, shared: Site, job: Job) -> None:
        shared.base("win.vhdx")
        assert shared.samba
        with (
            held_open(shared.samba, "store/win.vhdx", READING, Share.READ),
            pytest.raises(VdiskInUse, match="another program"),
        ):
            job.publish(shared, NewVdisk("win", overwrite=True))
        assert shared.names() == ["win.vhdx"]

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_versions_keep_their_base(self, site: Site, job: Job, overwrite: bool) -> None:
        files = site.chain()
        with pytest.raises(VdiskNotReplaceable if overwrite else VdiskExists):
            check(site.store, NewVdisk("win", overwrite=overwrite))
        assert site.names() == sorted(files)

    def test_merged_base(self, site: Site) -> None:
        site.base("win.4.vhdx")
        with pytest.raises(VdiskNotReplaceable):
            check(site.store, NewVdisk("win", overwrite=True))

    def test_other_format(self, site: Site) -> None:
        site.base("win.vhd", DiskFormat.VHD)
        with pytest.raises(VdiskNotReplaceable, match="two vDisks"):
            check(site.store, NewVdisk("win", overwrite=True))


class TestFailures:
    def test_cancelled_and_gone_on_with(self, site: Site, job: Job) -> None:
        cancel = threading.Event()
        with pytest.raises(CopyCancelledError):
            job.publish(site, NewVdisk("win"), once(cancel.set), cancel)
        assert site.names() == ["win.vhdx.unproven.partial"]
        assert site.store.vdisks() == []
        job.publish(site, NewVdisk("win"))
        assert site.read() == job.disk.read_bytes()
        assert (site.names(), job.leftovers) == (["win.vhdx"], [])

    def test_cancelled_and_dropped(self, site: Site, job: Job) -> None:
        cancel = threading.Event()
        with pytest.raises(CopyCancelledError):
            job.publish(site, NewVdisk("win"), once(cancel.set), cancel)
        for _ in range(2):
            drop(site.store, NewVdisk("win"), job.state)
            assert (site.names(), job.leftovers) == ([], [])

    def test_comes_into_use_meanwhile(self, site: Site, job: Job) -> None:
        """What was copied and proven waits for the lock to go."""
        old, lock = site.base("win.vhdx"), site.path / "win.lok"
        new = NewVdisk("win", overwrite=True)
        with pytest.raises(VdiskInUse):
            job.publish(site, new, once(lambda: lock.write_bytes(b"held")))
        assert site.names() == ["win.lok", "win.vhdx", "win.vhdx.unproven"]
        assert site.read(ignore_lock=True) == site.contents["win.vhdx"]
        lock.unlink()
        before, cancel = old.stat().st_ino, threading.Event()
        # Nothing is copied any more: that would end at once.
        cancel.set()
        job.publish(site, new, cancel=cancel)
        assert old.stat().st_ino != before
        assert site.names() == ["win.vhdx"]
        assert site.read() == job.disk.read_bytes()
        assert job.leftovers == []

    def test_source_that_has_changed_since(self, site: Site, job: Job) -> None:
        site.base("win.vhdx")
        lock, new = site.path / "win.lok", NewVdisk("win", overwrite=True)
        with pytest.raises(VdiskInUse):
            job.publish(site, new, once(lambda: lock.write_bytes(b"held")))
        lock.unlink()
        job.disk.write_bytes(b"new".ljust(SIZE, b"!"))
        job.publish(site, new)
        assert site.read() == job.disk.read_bytes()

    def test_name_is_taken_meanwhile(self, site: Site, job: Job) -> None:
        taken = site.path / "win.vhd"
        with pytest.raises(VdiskExists):
            job.publish(site, NewVdisk("win"), once(lambda: taken.write_bytes(b"mine")))
        assert taken.read_bytes() == b"mine"
        drop(site.store, NewVdisk("win"), job.state)
        assert site.names() == ["win.vhd"]

    def test_damaged_on_the_way(self, local: Site, job: Job) -> None:
        local.base("win.vhdx")
        site = Site(Damaging(local.path), local.path, contents=local.contents)
        with pytest.raises(NotAsWritten):
            job.publish(site, NewVdisk("win", overwrite=True))
        assert local.names() == ["win.vhdx"]
        assert local.read() == local.contents["win.vhdx"]
        assert job.leftovers == []

    def test_killed_after_the_name_was_given(self, local: Site, job: Job) -> None:
        local.base("win.vhdx")
        (local.path / "win.pvp").write_bytes(b"old")
        new = NewVdisk("win", overwrite=True)
        with pytest.raises(KeyboardInterrupt):
            job.publish(Site(Killing(local.path), local.path), new)
        assert local.read() == job.disk.read_bytes()
        (local.path / "win.pvp").write_bytes(b"made by the console since")
        done = job.publish(local, new)
        assert done.set_aside == ("win.pvp.replaced",)
        assert (local.path / "win.pvp").read_bytes() == b"made by the console since"
        assert (local.path / "win.pvp.replaced").read_bytes() == b"old"
        assert job.leftovers == []

    def test_unproven_disk_that_is_gone(self, site: Site, job: Job) -> None:
        old, lock = site.base("win.vhdx"), site.path / "win.lok"
        new = NewVdisk("win", overwrite=True)
        with pytest.raises(VdiskInUse):
            job.publish(site, new, once(lambda: lock.write_bytes(b"held")))
        (site.path / "win.vhdx.unproven").unlink()
        lock.unlink()
        assert old.exists()
        job.publish(site, new)
        assert site.read() == job.disk.read_bytes()


class TestFolder:
    def test_rename_over_a_file_that_is_open(self, shared: Site) -> None:
        for file in ("new", "old"):
            (shared.path / file).write_bytes(file.encode())
        assert shared.samba
        with (
            held_open(shared.samba, "store/old", READING, Share.READ | Share.DELETE),
            pytest.raises(InUseError),
        ):
            shared.folder.rename("new", "old", replace=True)
        assert (shared.path / "old").read_bytes() == b"old"
        shared.folder.rename("new", "old", replace=True)
        assert shared.names() == ["old"]
        assert (shared.path / "old").read_bytes() == b"new"


class Damaging(LocalFolder):
    """A storage that changes a byte of what is not proven yet."""

    def open(self, file: str) -> ImageFile:
        """See `Folder.open`."""
        if file.endswith(".unproven"):
            with open(self.path / file, "r+b") as stream:
                stream.seek((self.path / file).read_bytes().rindex(b"the end!"))
                stream.write(b"T")
        return super().open(file)


class Killing(LocalFolder):
    """The process ends when the vDisk has its name."""

    def rename(self, old: str, new: str, *, replace: bool) -> None:
        """See `Folder.rename`."""
        super().rename(old, new, replace=replace)
        if old.endswith(".unproven"):
            raise KeyboardInterrupt
