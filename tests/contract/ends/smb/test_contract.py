"""SMB shares do what every end must do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.ends.contract import EndCase, EndContract
from tests.contract.ends.samba import Samba
from tests.contract.ends.smb.case import SmbCase


class TestSmb(EndContract):
    """Encrypted, as the server requires."""


class TestSmbSigned(EndContract):
    """Signed only, which the user has allowed."""

    @pytest.fixture
    def case(self, signing_samba: Samba, tmp_path: Path) -> Iterator[EndCase]:
        case = SmbCase(signing_samba, tmp_path / "state", require_encryption=False)
        yield case
        case.relay.close()
