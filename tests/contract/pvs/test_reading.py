"""Versions as sources: what is read, and which chains are refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from imageport.disk.ends.errors import NotFoundError
from imageport.disk.errors import DiskError, UnreadableError
from imageport.disk.folder import LocalFolder
from imageport.model.target import DiskFormat
from imageport.platforms.pvs.errors import (
    ChainUnexpected,
    ManifestOutdated,
    ManifestUnreadable,
    ParentChanged,
    ParentMissing,
    VdiskAmbiguous,
    VdiskUnknown,
    VersionUnknown,
)
from imageport.platforms.pvs.store import Store
from tests.contract.disk import libyal, qemu
from tests.contract.ends.samba import Samba
from tests.contract.pvs.stores import Site, smb_folder

FORMATS = [DiskFormat.VHDX, DiskFormat.VHD]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class TestContent:
    @pytest.mark.parametrize("form", FORMATS)
    def test_every_version(self, site: Site, form: DiskFormat) -> None:
        files = site.chain(form)
        for number, file in enumerate(files):
            expected = _digest(site.contents[file])
            assert _digest(site.read(number)) == expected
            below = [site.path / name for name in reversed(files[:number])]
            assert _digest(libyal.content(site.path / file, form, below)) == expected
        assert _digest(site.read()) == _digest(site.contents[files[-1]])
        driver = "vpc" if form is DiskFormat.VHD else "vhdx"
        assert _digest(qemu.content(site.path / files[0], driver)) == _digest(site.read(0))

    def test_child_of_a_fixed_vhd(self, site: Site) -> None:
        site.base("win.vhd", DiskFormat.VHD_FIXED)
        site.child("win.1.avhd", "win.vhd")
        assert _digest(site.read()) == _digest(site.contents["win.1.avhd"])

    def test_what_it_is_made_of(self, site: Site) -> None:
        site.chain()
        opened = site.store.open(site.store.vdisk("win"))
        with opened.disk:
            assert [version.number for version in opened.chain] == [2, 1, 0]
            assert opened.chain[0].file == "win.2.avhdx"

    def test_merged_base(self, site: Site) -> None:
        """It begins a chain of its own; what it was merged from may be there or not."""
        site.chain()
        site.base("win.3.vhdx", seed=3)
        site.child("win.4.avhdx", "win.3.vhdx")
        for gone in ((), ("win.vhdx", "win.1.avhdx", "win.2.avhdx")):
            for file in gone:
                (site.path / file).unlink()
            opened = site.store.open(site.store.vdisk("win"))
            with opened.disk:
                assert [version.number for version in opened.chain] == [4, 3]
            assert _digest(site.read(4)) == _digest(site.contents["win.4.avhdx"])

    def test_consolidated_version(self, site: Site) -> None:
        """Merged onto the base: versions between them are not missing."""
        site.base("win.vhdx")
        site.child("win.3.avhdx", "win.vhdx")
        assert _digest(site.read()) == _digest(site.contents["win.3.avhdx"])

    def test_versions_called_vhdx(self, site: Site) -> None:
        """As the table in the documentation of 7.15 calls them."""
        site.base("win.vhdx")
        site.child("win.1.vhdx", "win.vhdx")
        assert _digest(site.read(1)) == _digest(site.contents["win.1.vhdx"])

    def test_base_of_the_other_format(self, site: Site) -> None:
        site.base("win.vhdx")
        site.base("win.vhd", DiskFormat.VHD)
        with pytest.raises(VdiskAmbiguous):
            site.store.vdisk("win")
        for file in ("win.vhdx", "win.vhd"):
            assert _digest(site.read(name=file)) == _digest(site.contents[file])

    def test_capital_letters(self, shared: Site) -> None:
        shared.base("win.vhdx")
        shared.child("win.1.avhdx", "win.vhdx")
        (shared.path / "win.vhdx").rename(shared.path / "WIN.VHDX")
        assert _digest(shared.read(name="Win")) == _digest(shared.contents["win.1.avhdx"])


class TestLists:
    def test_names(self, site: Site) -> None:
        for file in ("win.vhdx", "win.1.avhdx", "Apps.vhd", "win.pvp", "win.lok", "notes.txt"):
            (site.path / file).touch()
        (site.path / "folder.vhdx").mkdir()
        assert site.store.vdisks() == ["Apps", "win"]

    def test_many_files(self, site: Site) -> None:
        for number in range(900):
            (site.path / f"a rather long name of a virtual disk {number}-.vhdx").touch()
        assert len(site.store.vdisks()) == 900

    def test_root_of_the_share(self, samba: Samba) -> None:
        site = Site(smb_folder(samba, ""), samba.data, samba)
        path = site.base("root.vhdx")
        try:
            assert site.store.vdisks() == ["root"]
            assert _digest(site.read(name="root")) == _digest(site.contents["root.vhdx"])
        finally:
            path.unlink()

    def test_folder_that_is_not_there(self, samba: Samba, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            Store(smb_folder(samba, "nowhere")).vdisks()
        with pytest.raises(UnreadableError):
            Store(LocalFolder(tmp_path / "nowhere")).vdisks()

    def test_free_space(self, site: Site) -> None:
        assert site.folder.free_space() > 0

    def test_unknown_vdisk_and_version(self, site: Site) -> None:
        site.chain()
        with pytest.raises(VdiskUnknown, match="nothere"):
            site.store.vdisk("nothere")
        with pytest.raises(VersionUnknown) as caught:
            site.read(7)
        assert "0, 1, 2" in caught.value.advice


class TestBrokenChains:
    @pytest.mark.parametrize("form", FORMATS)
    def test_gap(self, site: Site, form: DiskFormat) -> None:
        files = site.chain(form)
        (site.path / files[1]).unlink()
        with pytest.raises(ParentMissing) as caught:
            site.read(2)
        assert caught.value.data["file"] == files[2]
        assert files[1] in caught.value.data["parent"]
        assert _digest(site.read(0)) == _digest(site.contents[files[0]])

    @pytest.mark.parametrize("form", FORMATS)
    def test_base_is_missing(self, site: Site, form: DiskFormat) -> None:
        files = site.chain(form)
        (site.path / files[0]).unlink()
        with pytest.raises(ParentMissing) as caught:
            site.read()
        assert caught.value.data["file"] == files[1]
        assert files[0] in caught.value.data["parent"]

    @pytest.mark.parametrize("form", FORMATS)
    def test_parent_was_replaced(self, site: Site, form: DiskFormat) -> None:
        files = site.chain(form)
        (site.path / files[0]).unlink()
        site.base(files[0], form, seed=2)
        with pytest.raises(ParentChanged) as caught:
            site.read()
        assert (caught.value.data["file"], caught.value.data["parent"]) == (files[1], files[0])

    def test_parent_of_another_vdisk(self, site: Site) -> None:
        site.base("other.vhdx")
        site.child("win.1.avhdx", "other.vhdx")
        with pytest.raises(ChainUnexpected, match=r"other\.vhdx"):
            site.read()

    def test_parent_that_is_newer(self, site: Site) -> None:
        site.base("win.vhdx")
        site.child("win.2.avhdx", "win.vhdx")
        site.child("win.1.avhdx", "win.2.avhdx")
        with pytest.raises(ChainUnexpected, match="no older version"):
            site.read(1)

    def test_version_without_parent(self, site: Site) -> None:
        site.base("win.vhdx")
        (site.path / "win.vhdx").rename(site.path / "win.1.avhdx")
        with pytest.raises(ChainUnexpected, match="by its suffix"):
            site.read()

    def test_base_with_a_parent(self, site: Site) -> None:
        site.base("old.vhdx")
        site.child("win.vhdx", "old.vhdx")
        with pytest.raises(ChainUnexpected):
            site.read()

    def test_content_of_another_format(self, site: Site) -> None:
        site.base("win.vhd", DiskFormat.VHD)
        (site.path / "win.vhd").rename(site.path / "win.vhdx")
        with pytest.raises(DiskError, match="vhd"):
            site.read()


class TestManifests:
    GOOD = (
        (0, 0, 0, "win.vhdx"),
        (1, 1, 0, "win.1.avhdx"),
        (2, 1, 1, "win.2.avhdx"),
    )

    def test_agrees(self, site: Site) -> None:
        site.chain()
        site.manifest(*self.GOOD)
        vdisk = site.store.vdisk("win")
        assert vdisk.newest.number == 2
        assert vdisk.released is not None
        assert vdisk.released.number == 1
        assert _digest(site.read()) == _digest(site.contents["win.2.avhdx"])

    def test_override(self, site: Site) -> None:
        site.chain()
        site.manifest((0, 0, 3, "win.vhdx"), *self.GOOD[1:])
        released = site.store.vdisk("win").released
        assert released is not None
        assert released.number == 0

    def test_lists_what_was_merged_and_deleted(self, site: Site) -> None:
        site.chain()
        site.base("win.3.vhdx", seed=3)
        site.manifest(*self.GOOD, (3, 4, 0, "win.3.vhdx"))
        for file in ("win.vhdx", "win.1.avhdx"):
            (site.path / file).unlink()
        assert _digest(site.read()) == _digest(site.contents["win.3.vhdx"])

    def test_older_than_the_store(self, site: Site) -> None:
        site.chain()
        site.manifest(*self.GOOD[:2])
        with pytest.raises(ManifestOutdated):
            site.read()
        assert _digest(site.read(1)) == _digest(site.contents["win.1.avhdx"])
        vdisk = site.store.vdisk("win", use_manifest=False)
        site.store.open(vdisk).disk.close()

    def test_newer_than_the_store(self, site: Site) -> None:
        site.chain()
        site.manifest(*self.GOOD)
        (site.path / "win.2.avhdx").unlink()
        with pytest.raises(VersionUnknown, match="no version 2"):
            site.read()

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ((1, 4, 0, "win.1.avhdx"), "a base"),
            ((0, 1, 0, "win.vhdx"), "made on another"),
            ((1, 1, 0, "win.2.avhdx"), "in its place"),
        ],
    )
    def test_contradicts_the_files(
        self, site: Site, changed: tuple[int, int, int, str], said: str
    ) -> None:
        site.chain()
        rows = {row[0]: row for row in self.GOOD} | {changed[0]: changed}
        site.manifest(*rows.values())
        with pytest.raises(ChainUnexpected, match=said):
            site.read()

    def test_parent_that_is_not_listed(self, site: Site) -> None:
        site.chain()
        site.manifest(self.GOOD[0], self.GOOD[2])
        with pytest.raises(ChainUnexpected, match="does not list"):
            site.read()

    def test_parent_that_has_grown(self, site: Site) -> None:
        site.chain()
        site.manifest((*self.GOOD[0], 4096), *self.GOOD[1:])
        with pytest.raises(ParentChanged, match="when it was exported"):
            site.read()

    def test_newest_may_have_grown(self, site: Site) -> None:
        site.chain()
        site.manifest(*self.GOOD[:2], (*self.GOOD[2], 4096))
        assert _digest(site.read()) == _digest(site.contents["win.2.avhdx"])

    def test_is_none(self, site: Site) -> None:
        site.chain()
        (site.path / "win.xml").write_bytes(b"<html/>")
        with pytest.raises(ManifestUnreadable):
            site.store.vdisk("win")
        assert site.store.vdisks() == ["win"]
        (site.path / "win.xml").write_bytes(bytes((1 << 20) + 1))
        with pytest.raises(ManifestUnreadable, match="too many"):
            site.store.vdisk("win")
