"""Versions that devices may be writing to."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.disk.ends.smb.lane import READING, WRITING, Share
from imageport.platforms.pvs.errors import VdiskInUse
from tests.contract.ends.samba import Samba
from tests.contract.ends.smb.case import held_open_for_writing
from tests.contract.pvs.stores import Site, held_open, smb_folder

PRIVATE, STANDARD = 0, 9


class TestLockFiles:
    def test_newest_version(self, site: Site) -> None:
        site.chain()
        (site.path / "win.2.lok").write_bytes(b"held")
        with pytest.raises(VdiskInUse) as caught:
            site.read()
        assert caught.value.data["file"] == "win.2.avhdx"
        assert "win.2.lok" in caught.value.message
        assert "Manage Locks" in caught.value.advice
        assert site.read(ignore_lock=True) == site.contents["win.2.avhdx"]

    def test_older_versions_are_only_ever_read(self, site: Site) -> None:
        site.chain()
        for file in ("win.lok", "win.1.lok"):
            (site.path / file).write_bytes(b"held")
        assert site.read(1) == site.contents["win.1.avhdx"]
        assert site.read() == site.contents["win.2.avhdx"]

    def test_empty_one_is_none(self, site: Site) -> None:
        site.chain()
        (site.path / "win.2.lok").touch()
        assert site.read() == site.contents["win.2.avhdx"]

    def test_private_image_mode(self, site: Site) -> None:
        site.base("win.vhdx")
        site.properties("win.pvp", PRIVATE)
        assert site.read() == site.contents["win.vhdx"]
        (site.path / "win.lok").write_bytes(b"held")
        with pytest.raises(VdiskInUse, match="private image mode"):
            site.read()

    def test_without_properties(self, site: Site) -> None:
        site.base("win.vhdx")
        (site.path / "win.lok").write_bytes(b"held")
        with pytest.raises(VdiskInUse, match="do not say"):
            site.read()

    def test_standard_image_mode_on_a_share(self, shared: Site) -> None:
        shared.base("win.vhdx")
        shared.properties("win.pvp", STANDARD)
        (shared.path / "win.lok").write_bytes(b"held")
        assert shared.read() == shared.contents["win.vhdx"]

    def test_standard_image_mode_where_nobody_guards(self, local: Site) -> None:
        local.base("win.vhdx")
        local.properties("win.pvp", STANDARD)
        (local.path / "win.lok").write_bytes(b"held")
        with pytest.raises(VdiskInUse, match="standard image mode"):
            local.read()


class TestOtherClients:
    @pytest.mark.parametrize("ignore_lock", [False, True])
    def test_written_to(self, shared: Site, ignore_lock: bool) -> None:
        shared.chain()
        assert shared.samba
        with (
            held_open(shared.samba, "store/win.2.avhdx", WRITING, Share.READ | Share.WRITE),
            pytest.raises(VdiskInUse, match="another program") as caught,
        ):
            shared.read(ignore_lock=ignore_lock)
        assert caught.value.data["file"] == "win.2.avhdx"
        assert shared.read() == shared.contents["win.2.avhdx"]

    def test_shared_with_nobody(self, shared: Site) -> None:
        """The base of the version that is wanted."""
        shared.chain()
        assert shared.samba
        with (
            held_open(shared.samba, "store/win.vhdx", READING, Share.NOTHING),
            pytest.raises(VdiskInUse) as caught,
        ):
            shared.read()
        assert caught.value.data["file"] == "win.vhdx"

    def test_read_as_provisioning_servers_do(self, shared: Site) -> None:
        shared.chain()
        assert shared.samba
        with held_open(shared.samba, "store/win.2.avhdx", READING, Share.READ):
            assert shared.read() == shared.contents["win.2.avhdx"]

    def test_properties_that_are_written(self, shared: Site) -> None:
        shared.base("win.vhdx")
        shared.properties("win.pvp", STANDARD)
        assert shared.samba
        with held_open(shared.samba, "store/win.pvp", WRITING, Share.NOTHING):
            assert shared.read() == shared.contents["win.vhdx"]

    def test_smbclient_writes_it(self, samba: Samba, tmp_path: Path) -> None:
        site = Site(smb_folder(samba, ""), samba.data, samba)
        try:
            with (
                held_open_for_writing(samba, "win.vhdx", tmp_path),
                pytest.raises(VdiskInUse, match="another program"),
            ):
                site.read()
        finally:
            (samba.data / "win.vhdx").unlink()
