"""Peers that several files of tests share: one for each process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.ends.azurite import Azurite, StrictBlobs, azurite


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
