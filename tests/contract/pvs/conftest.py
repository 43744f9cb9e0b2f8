"""Each test sees a store on this computer and one on a share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.folder import LocalFolder
from tests.contract.ends.samba import Samba
from tests.contract.pvs.stores import Site, smb_folder


@pytest.fixture(scope="session")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """A server that requires encryption."""
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture
def local(tmp_path: Path) -> Site:
    path = tmp_path / "store"
    path.mkdir()
    return Site(LocalFolder(path), path)


@pytest.fixture
def shared(samba: Samba) -> Iterator[Site]:
    path = samba.data / "store"
    path.mkdir()
    yield Site(smb_folder(samba, "store"), path, samba)
    shutil.rmtree(path)


@pytest.fixture(params=["local", "shared"])
def site(request: pytest.FixtureRequest) -> Site:
    made: Site = request.getfixturevalue(request.param)
    return made
