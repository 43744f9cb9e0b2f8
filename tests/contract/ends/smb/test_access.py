"""Who may use a share, and how it is protected on the way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from imageport.disk.base import MIB
from imageport.disk.ends.errors import DeniedError, InsecureError, NotFoundError, UnreachableError
from imageport.disk.ends.smb import SmbFile, SmbLocation
from imageport.model.credentials import UsernamePassword
from tests.contract.ends.samba import Samba
from tests.contract.ends.smb.case import NAME, SmbCase, at, target_at


class TestWhoMayEnter:
    def test_wrong_password_is_refused_at_once(self, case: SmbCase) -> None:
        (case.samba.data / NAME).write_bytes(bytes(MIB))
        wrong = UsernamePassword(case.samba.account.username, "hunter2-wrong")
        started = time.monotonic()
        with pytest.raises(DeniedError, match="wrong account or password") as caught:
            SmbFile(case.location, wrong)
        assert time.monotonic() - started < 10
        assert "hunter2" not in str(caught.value.as_dict())

    @pytest.mark.parametrize("name", ["nobody-we-know", ""])
    def test_unknown_account_is_refused(self, case: SmbCase, name: str) -> None:
        (case.samba.data / NAME).write_bytes(bytes(MIB))
        with pytest.raises(DeniedError):
            SmbFile(case.location, UsernamePassword(name, "x"))

    def test_being_made_a_guest_is_refused(self, tmp_path: Path) -> None:
        samba = Samba(tmp_path / "samba", "map to guest = bad user", "guest account = nobody")
        try:
            (samba.data / NAME).write_bytes(bytes(MIB))
            for require in (True, False):
                with pytest.raises(DeniedError, match="guest"):
                    SmbFile(
                        at(samba, NAME, "guest"),
                        UsernamePassword("nobody-we-know", "x"),
                        require_encryption=require,
                    )
        finally:
            samba.kill()

    def test_server_that_cannot_encrypt_is_refused(
        self, signing_samba: Samba, tmp_path: Path
    ) -> None:
        (signing_samba.data / NAME).write_bytes(bytes(MIB))
        with pytest.raises(InsecureError, match="encryption"):
            SmbFile(at(signing_samba, NAME), signing_samba.account)
        with pytest.raises(InsecureError):
            target_at(signing_samba, tmp_path / "state", "new.raw").open()
        assert "new.raw.partial" not in signing_samba.names()

    def test_an_account_of_a_domain(self, case: SmbCase) -> None:
        (case.samba.data / NAME).write_bytes(bytes(MIB))
        plain = case.samba.account
        account = UsernamePassword(plain.username, plain.password, domain="WORKGROUP")
        SmbFile(case.location, account).close()

    def test_nobody_listens(self, case: SmbCase) -> None:
        with pytest.raises(UnreachableError, match="refused"):
            SmbFile(SmbLocation("127.0.0.1", "data", NAME, 1), case.samba.account, patience=0.5)

    def test_unknown_host(self, case: SmbCase) -> None:
        with pytest.raises(NotFoundError, match="host"):
            SmbFile(SmbLocation("no-such-host.invalid", "data", NAME), case.samba.account)

    def test_nothing_readable_travels(self, samba: Samba, tmp_path: Path) -> None:
        seen = bytearray()
        case = SmbCase(samba, tmp_path / "state")
        secret = b"what nobody may read on the wire"
        (samba.data / NAME).write_bytes(secret * (MIB // len(secret)))
        case.relay.listen = seen.extend
        with case.reader() as reader:
            reader.read_into(0, bytearray(MIB))
        case.relay.close()
        assert len(seen) > MIB
        assert secret not in seen
