"""What goes wrong with shares, as it shows in jobs: a clear end, and nothing is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imageport.disk.ends.smb.lane import READING, Share
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from tests.contract.connector.running import Site, connector, ended, large, site_in, under_way
from tests.contract.ends.samba import Samba
from tests.contract.pvs.stores import held_open

PLACES = ("export", pytest.param("publish", marks=pytest.mark.slow))


@pytest.fixture
def site(tmp_path: Path, samba: Samba, own_home: Path) -> Iterator[Site]:
    with site_in(tmp_path, samba) as made:
        yield made


def _start(site: Site, type: str, share: str = "data", **more: Any) -> str:
    """A job that writes `disk` on the share."""
    location = f"smb://127.0.0.1:{site.samba.port}/{share}/"
    body = {
        "platform": "Local",
        "resourceLocationId": site.place,
        "sourceDiskName": "master.raw",
        "outputStorageLocation": {"location": location, "credentialId": "share"},
        "outputImageFilename": "disk",
        **more,
    }
    answer = site.admin.post(f"/ips/images/${type}", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _code(site: Site, job: str) -> str:
    with connector(site.identity, site.images):
        done = ended(site.admin, job)
    assert done["overallStatus"] == "error", done
    assert done["error"]["remedy"]
    return str(done["error"]["code"])


@pytest.fixture(autouse=True)
def empty(samba: Samba) -> None:
    for path in samba.data.iterdir():
        path.unlink()


@pytest.mark.parametrize("type", PLACES)
def test_a_wrong_password(site: Site, type: str) -> None:
    body = {
        "id": "share",
        "type": "UsernamePassword",
        "username": site.samba.account.username,
        "password": "wrong",
    }
    assert site.admin.put("/ips/credentials/share", json=body).status_code == 200
    assert _code(site, _start(site, type)) == "end.denied"


@pytest.mark.parametrize("type", PLACES)
def test_a_share_that_is_read_only(site: Site, type: str) -> None:
    assert _code(site, _start(site, type, "readonly")) == "end.denied"
    assert site.samba.names() == []


@pytest.mark.parametrize("type", PLACES)
def test_a_share_without_room(site: Site, type: str) -> None:
    large(site.images)
    assert _code(site, _start(site, type, "small", sourceDiskName="large.raw")) == "job.no-space"
    assert site.samba.names("small") == []


@pytest.mark.parametrize("type", PLACES)
def test_a_folder_that_is_not_there(site: Site, type: str) -> None:
    assert _code(site, _start(site, type, "data/none")) == "end.not-found"


@pytest.mark.parametrize(
    ("type", "taken", "busy"),
    [
        ("export", "disk.exists", "end.in-use"),
        ("publish", "pvs.vdisk-exists", "pvs.vdisk-in-use"),
    ],
)
def test_a_file_that_is_there_and_in_use(site: Site, type: str, taken: str, busy: str) -> None:
    (site.samba.data / "disk.vhdx").write_bytes(b"another's")
    assert _code(site, _start(site, type)) == taken
    with held_open(site.samba, "disk.vhdx", READING, Share.READ):
        assert _code(site, _start(site, type, overwriteTargetFile=True)) == busy
    assert site.samba.names() == ["disk.vhdx"]
    assert (site.samba.data / "disk.vhdx").read_bytes() == b"another's"
    job = _start(site, type, overwriteTargetFile=True)
    with connector(site.identity, site.images):
        assert ended(site.admin, job)["overallStatus"] == "complete"
    assert _root(site.samba.data / "disk.vhdx") == _root(site.images / "master.raw")


@pytest.mark.parametrize("type", PLACES)
def test_a_share_that_goes_away_and_comes_back(site: Site, type: str) -> None:
    large(site.images)
    job = _start(site, type, sourceDiskName="large.raw")
    with connector(site.identity, site.images):
        under_way(site.admin, job)
        site.samba.kill()
        time.sleep(2)
        site.samba.start()
        done = ended(site.admin, job)
    assert done["overallStatus"] == "complete", done
    assert done["attempt"] == 1
    assert _root(site.samba.data / "disk.vhdx") == _root(site.images / "large.raw")


def test_a_server_that_signs_alone_is_refused(tmp_path: Path, own_home: Path) -> None:
    samba = Samba(tmp_path / "plain", "smb encrypt = off", protection="sign")
    try:
        with site_in(tmp_path, samba) as site:
            assert _code(site, _start(site, "export")) == "end.insecure"
        assert samba.names() == []
    finally:
        samba.kill()


def _root(path: Path) -> bytes:
    with open_disk(path) as reader:
        return tree_hash(reader).root
