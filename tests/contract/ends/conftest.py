"""Peers that several files of tests share: one for each process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from lab.aws.process import LabProcess
from tests.contract.ends.azurite import Azurite, StrictBlobs, azurite
from tests.contract.ends.contract import make_disk
from tests.contract.ends.faults import HttpFaults
from tests.contract.ends.gcs.peer import Emulator
from tests.contract.ends.nginx import Nginx
from tests.contract.ends.samba import Samba


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def blobs(azure: Azurite) -> Iterator[StrictBlobs]:
    """What stands between the end and Azurite; the container is empty."""
    azure.empty()
    proxy = StrictBlobs("127.0.0.1", azure.port)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """A web server with `disk.raw` among its files."""
    server = Nginx(tmp_path_factory.mktemp("nginx"))
    with server.run():
        make_disk(server.files / "disk.raw")
        yield server


@pytest.fixture
def faults(nginx: Nginx) -> Iterator[HttpFaults]:
    """What stands between the end and nginx."""
    with contextlib.closing(HttpFaults("127.0.0.1", nginx.plain)) as proxy:
        yield proxy


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxies this computer goes through, its own servers are asked directly."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """A server that requires encryption."""
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    with LabProcess(tmp_path_factory.mktemp("aws")) as process:
        yield process


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    made = Emulator(tmp_path_factory.mktemp("gcs"))
    yield made
    made.close()
