"""The peer of the Cloud Storage tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.ends.gcs.peer import Emulator, StrictGcs


@pytest.fixture
def peer(emulator: Emulator) -> Iterator[StrictGcs]:
    emulator.wipe()
    made = StrictGcs(emulator)
    yield made
    made.close()
