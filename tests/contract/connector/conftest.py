"""The share that jobs write to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.ends.samba import Samba


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()
