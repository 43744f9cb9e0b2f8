"""Cloud Storage: archives written to it, images read from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.disk.ends.gcs import GcsMethod
from tests.contract.ends.contract import ReadContract, WriteContract
from tests.contract.ends.gcs.case import GcsCase
from tests.contract.ends.gcs.peer import StrictGcs


class TestReading(ReadContract):
    @pytest.fixture
    def case(self, peer: StrictGcs, tmp_path: Path) -> GcsCase:
        return GcsCase(peer, tmp_path, GcsMethod.COMPOSITE)


class TestComposite(WriteContract):
    @pytest.fixture
    def case(self, peer: StrictGcs, tmp_path: Path) -> GcsCase:
        return GcsCase(peer, tmp_path, GcsMethod.COMPOSITE)


class TestResumable(WriteContract):
    @pytest.fixture
    def case(self, peer: StrictGcs, tmp_path: Path) -> GcsCase:
        return GcsCase(peer, tmp_path, GcsMethod.RESUMABLE)
