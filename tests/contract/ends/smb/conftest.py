"""The peers of the SMB tests, and what is copied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.ends.contract import make_disk
from tests.contract.ends.samba import Samba
from tests.contract.ends.smb.case import SmbCase


@pytest.fixture(scope="session")
def signing_samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """A server that requires signatures and cannot encrypt."""
    options = ("smb encrypt = off", "server signing = mandatory")
    server = Samba(tmp_path_factory.mktemp("signing"), *options, protection="sign")
    yield server
    server.kill()


@pytest.fixture
def case(samba: Samba, tmp_path: Path) -> Iterator[SmbCase]:
    made = SmbCase(samba, tmp_path / "state")
    yield made
    made.relay.close()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "source.raw"
    make_disk(path)
    return path
