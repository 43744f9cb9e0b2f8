"""Secrets at rest are unreadable without the master key, and are bound to what they are."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from imageport.model.service import CredentialType
from imageport.service.errors import MasterKeyInvalid, MasterKeyMisnamed, SecretUnreadable
from imageport.service.store import credentials, customers, keys
from imageport.service.store.credentials import Sealed
from imageport.service.store.database import Database, Tx
from imageport.service.store.tables import METADATA
from imageport.service.wallet.chosen import VARIABLE, master_key
from imageport.service.wallet.local import LocalMasterKey, new_line
from imageport.service.wallet.wallet import Wallet, credential
from imageport.wire.sealed import SealBroken, seal, unseal

SECRET = b"Correct-Horse-7"
OLD, NEW = new_line(), new_line()


def _wallet(*lines: str) -> Wallet:
    return Wallet(LocalMasterKey("".join(lines or (OLD,)), "a test"))


def _add(database: Database, wallet: Wallet, customer: str, id: str) -> None:
    def add(tx: Tx) -> None:
        customers.add_customer(tx, customer, customer)
        sealed = wallet.seal(tx, customer, credential(id), SECRET)
        credentials.add(tx, customer, id, CredentialType.SIMPLE, sealed)

    wallet.writing(database, add)


def _sealed(database: Database, customer: str, id: str) -> Sealed:
    with database.reading() as tx:
        return credentials.secret_of(tx, customer, id)


def _open(database: Database, wallet: Wallet, customer: str, id: str) -> bytes:
    sealed = _sealed(database, customer, id)
    return wallet.reading(database, lambda tx: wallet.open(tx, customer, credential(id), sealed))


def test_nothing_in_the_database_tells_a_secret(database: Database) -> None:
    _add(database, _wallet(), "acme", "admin")
    assert _open(database, _wallet(), "acme", "admin") == SECRET
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
    for customer, id in (("acme", "one"), ("acme", "two"), ("other", "one")):
        _add(database, wallet, customer, id)
    sealed = _sealed(database, "acme", "one")
    damaged = replace(sealed, sealed=sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1]))
    for customer, id, wrong in (
        ("acme", "two", sealed),
        ("other", "one", sealed),
        ("acme", "one", damaged),
        ("acme", "one", replace(sealed, data_key=7)),
        ("acme", "one", replace(sealed, sealed=b"short")),
    ):
        with pytest.raises(SecretUnreadable):
            wallet.reading(database, partial(_opened, wallet, customer, credential(id), wrong))


def _opened(wallet: Wallet, customer: str, what: str, sealed: Sealed, tx: Tx) -> bytes:
    return wallet.open(tx, customer, what, sealed)


def test_rotating_the_data_key_seals_everything_anew(database: Database) -> None:
    wallet = _wallet()
    _add(database, wallet, "acme", "one")
    _add(database, wallet, "acme", "two")
    before = _sealed(database, "acme", "one")
    assert wallet.writing(database, lambda tx: wallet.rotate(tx, "acme")) == 2
    after = _sealed(database, "acme", "one")
    assert (before.data_key, after.data_key) == (1, 2)
    assert before.sealed != after.sealed
    for id in ("one", "two"):
        assert _open(database, wallet, "acme", id) == SECRET


def test_a_transaction_that_failed_leaves_no_data_key(database: Database) -> None:
    wallet = _wallet()

    def fails(tx: Tx) -> None:
        customers.add_customer(tx, "acme", "acme")
        wallet.seal(tx, "acme", credential("one"), SECRET)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        wallet.writing(database, fails)
    with database.reading() as tx:
        assert keys.data_key(tx, "acme") is None
    _add(database, wallet, "acme", "one")
    assert _open(database, _wallet(), "acme", "one") == SECRET


def test_master_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "master.key"
    made = master_key([str(path)], tmp_path / "unused")
    assert path.stat().st_mode & 0o777 == 0o600
    wrapped = made.wrap(b"k" * 32, "x")
    assert master_key([], path).unwrap(wrapped, "x") == b"k" * 32
    assert not (tmp_path / "unused").exists()
    path.chmod(0o640)
    with pytest.raises(MasterKeyInvalid, match="others can read it"):
        master_key([], path)
    monkeypatch.setenv(VARIABLE, NEW)
    assert master_key([], path).newest() == NEW.split()[0]


def test_keys_of_the_environment_come_after_those_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, OLD)
    wrapped = master_key([], tmp_path / "unused").wrap(b"k" * 32, "x")
    both = master_key([str(tmp_path / "master.key")], tmp_path / "unused")
    assert not (tmp_path / "unused").exists()
    assert both.unwrap(wrapped, "x") == b"k" * 32
    assert both.newest() != wrapped.master == OLD.split()[0]


def test_only_the_newest_file_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MasterKeyInvalid, match="No such file"):
        master_key(["new.key", "old.key"], tmp_path / "unused")
    with pytest.raises(MasterKeyMisnamed, match="no such kind"):
        master_key(["kms:alias/imageport"], tmp_path / "unused")
    assert [path.name for path in tmp_path.iterdir()] == ["new.key"]


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
