"""Secrets at rest are unreadable without the master key, and are bound to what they are."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from imageport.model.service import CredentialType
from imageport.service.errors import MasterKeyInvalid, SecretUnreadable
from imageport.service.store import credentials, customers
from imageport.service.store.database import Database, Tx
from imageport.service.store.tables import METADATA
from imageport.service.wallet.master import VARIABLE, LocalMasterKey, master_key, new_line
from imageport.service.wallet.wallet import Wallet, credential
from imageport.wire.sealed import SealBroken, seal, unseal

SECRET = b"Correct-Horse-7"
OLD, NEW = new_line(), new_line()


def _wallet(*lines: str) -> Wallet:
    return Wallet(LocalMasterKey("".join(lines or (OLD,)), "a test"))


def _add(tx: Tx, wallet: Wallet, customer: str, id: str) -> None:
    customers.add_customer(tx, customer, customer)
    sealed = wallet.seal(tx, customer, credential(id), SECRET)
    credentials.add(tx, customer, id, CredentialType.SIMPLE, sealed)


def _open(tx: Tx, wallet: Wallet, customer: str, id: str) -> bytes:
    sealed = credentials.secret_of(tx, customer, id)
    return wallet.open(tx, customer, credential(id), sealed)


def test_nothing_in_the_database_tells_a_secret(database: Database) -> None:
    with database.writing() as tx:
        _add(tx, _wallet(), "acme", "admin")
    with database.reading() as tx:
        assert _open(tx, _wallet(), "acme", "admin") == SECRET
    key = base64.b64decode(OLD.split()[1])
    for table in ("credentials", "data_keys"):
        with database.engine.connect() as connection:
            rows = connection.execute(METADATA.tables[table].select()).all()
        kept = b"".join(bytes(v) for row in rows for v in row if isinstance(v, bytes | memoryview))
        assert kept
        assert SECRET not in kept
        assert key not in kept


def test_a_secret_is_bound_to_customer_and_credential(database: Database) -> None:
    wallet = _wallet()
    with database.writing() as tx:
        for customer, id in (("acme", "one"), ("acme", "two"), ("other", "one")):
            _add(tx, wallet, customer, id)
        sealed = credentials.secret_of(tx, "acme", "one")
        for customer, what in (("acme", credential("two")), ("other", credential("one"))):
            with pytest.raises(SecretUnreadable):
                wallet.open(tx, customer, what, sealed)
        damaged = replace(sealed, sealed=sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1]))
        for wrong in (damaged, replace(sealed, data_key=7), replace(sealed, sealed=b"short")):
            with pytest.raises(SecretUnreadable):
                wallet.open(tx, "acme", credential("one"), wrong)


def test_rotating_the_data_key_seals_everything_anew(database: Database) -> None:
    wallet = _wallet()
    with database.writing() as tx:
        _add(tx, wallet, "acme", "one")
        _add(tx, wallet, "acme", "two")
        before = credentials.secret_of(tx, "acme", "one")
        assert wallet.rotate(tx, "acme") == 2
        after = credentials.secret_of(tx, "acme", "one")
        assert (before.data_key, after.data_key) == (1, 2)
        assert before.sealed != after.sealed
        assert _open(tx, wallet, "acme", "one") == _open(tx, wallet, "acme", "two") == SECRET


def test_rotating_the_master_key(database: Database) -> None:
    with database.writing() as tx:
        _add(tx, _wallet(OLD), "acme", "one")
        kid = _wallet(OLD).new_token_key(tx, timedelta(hours=1))
        signs = _wallet(OLD).token_keys(tx)[kid]
        both = _wallet(NEW, OLD)
        assert both.rewrap(tx) == 2
        assert both.rewrap(tx) == 0
        assert _open(tx, _wallet(NEW), "acme", "one") == SECRET
        assert _wallet(NEW).token_keys(tx) == {kid: signs}
        with pytest.raises(SecretUnreadable):
            _open(tx, _wallet(OLD), "acme", "one")


def test_master_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "master.key"
    made = master_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    wrapped = made.wrap(b"k" * 32, "x")
    assert master_key(path).unwrap(made.newest, wrapped, "x") == b"k" * 32
    path.chmod(0o640)
    with pytest.raises(MasterKeyInvalid, match="others can read it"):
        master_key(path)
    monkeypatch.setenv(VARIABLE, NEW)
    assert master_key(path).newest == NEW.split()[0]


@pytest.mark.parametrize("text", ["", "a", "a !!!", "a QUJD", OLD + OLD])
def test_what_is_no_master_key(text: str) -> None:
    with pytest.raises(MasterKeyInvalid):
        LocalMasterKey(text, "a test")


def test_sealed_to_one_connector_for_one_lease() -> None:
    key, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    lease = ("connector", "job", 3)
    sealed = seal(SECRET, public, lease=lease, credential="admin")
    assert unseal(sealed, key, lease=lease, credential="admin") == SECRET
    for private, wrong_lease, id in (
        (other, lease, "admin"),
        (key, ("connector", "job", 4), "admin"),
        (key, ("connector", "other", 3), "admin"),
        (key, lease, "another"),
    ):
        with pytest.raises(SealBroken):
            unseal(sealed, private, lease=wrong_lease, credential=id)
    with pytest.raises(SealBroken):
        unseal("!", key, lease=lease, credential="admin")
