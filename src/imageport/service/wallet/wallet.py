"""The wallet: seals customers' secrets, opens them for one job, and changes the keys beneath."""

from __future__ import annotations

import secrets
from datetime import timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imageport.service.errors import SecretUnreadable
from imageport.service.store import credentials, keys
from imageport.service.store.credentials import Sealed
from imageport.service.store.database import Tx
from imageport.service.wallet.master import KEY_BYTES, MasterKey, decrypt, encrypt


class Wallet:
    """Every secret is bound to its customer and to what it is, such as one credential's id."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master

    def seal(self, tx: Tx, customer: str, what: str, secret: bytes) -> Sealed:
        """Under the customer's newest data key, which is made when there is none."""
        known = keys.data_key(tx, customer)
        number, key = self._opened(known) if known else self._new_data_key(tx, customer, 1)
        return Sealed(number, encrypt(key, secret, _context(customer, what)))

    def open(self, tx: Tx, customer: str, what: str, sealed: Sealed) -> bytes:
        """Raises SecretUnreadable."""
        known = keys.data_key(tx, customer, sealed.data_key)
        if known is None:
            raise SecretUnreadable(what=what)
        return decrypt(self._opened(known)[1], sealed.sealed, _context(customer, what))

    def rotate(self, tx: Tx, customer: str) -> int:
        """A new data key, and every credential of the customer under it; returns its number."""
        known = keys.data_key(tx, customer)
        number, key = self._new_data_key(tx, customer, known[0] + 1 if known else 1)
        for row in credentials.list_all(tx, customer):
            what = credential(row.id)
            secret = self.open(tx, customer, what, credentials.secret_of(tx, customer, row.id))
            sealed = Sealed(number, encrypt(key, secret, _context(customer, what)))
            credentials.reseal(tx, customer, row.id, sealed)
        return number

    def rewrap(self, tx: Tx) -> int:
        """Every key under the newest master key; returns how many were not."""
        old = keys.wrapped_otherwise(tx, self._master.newest)
        for key in old:
            plain = self._master.unwrap(key.master, key.wrapped, key.id)
            keys.rewrap(tx, key, self._master.newest, self._master.wrap(plain, key.id))
        return len(old)

    def token_keys(self, tx: Tx) -> dict[str, bytes]:
        """The keys that tokens are signed with by id, the newest first."""
        return {
            key.id.removeprefix("token-key "): self._master.unwrap(key.master, key.wrapped, key.id)
            for key in keys.token_keys_of(tx)
        }

    def new_token_key(self, tx: Tx, lifetime: timedelta) -> str:
        """Make one; those that no valid token can be signed with any more are forgotten."""
        id = keys.new_token_key_id()
        wrapped = self._master.wrap(secrets.token_bytes(KEY_BYTES), keys.token_key_id(id))
        keys.remove_token_keys(tx, tx.now - lifetime)
        keys.add_token_key(tx, id, self._master.newest, wrapped)
        return id

    def _new_data_key(self, tx: Tx, customer: str, number: int) -> tuple[int, AESGCM]:
        plain = secrets.token_bytes(KEY_BYTES)
        wrapped = self._master.wrap(plain, keys.data_key_id(customer, number))
        keys.add_data_key(tx, customer, number, self._master.newest, wrapped)
        return number, AESGCM(plain)

    def _opened(self, known: tuple[int, keys.WrappedKey]) -> tuple[int, AESGCM]:
        number, key = known
        return number, AESGCM(self._master.unwrap(key.master, key.wrapped, key.id))


def credential(id: str) -> str:
    """What the secret of a credential is bound to."""
    return f"credential {id}"


def answer(key: str) -> str:
    """What the answer to an Idempotency-Key is bound to."""
    return f"answer {key}"


def _context(customer: str, what: str) -> str:
    # A customer's id has no space: no two pairs make the same text.
    return f"{customer} {what}"
