"""The wallet: seals customers' secrets, opens them for one job, and changes the keys beneath."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imageport.service.errors import KeyServiceError, SecretUnreadable
from imageport.service.store import credentials, keys
from imageport.service.store.credentials import Sealed
from imageport.service.store.database import Database, Tx
from imageport.service.wallet.aead import decrypt, encrypt
from imageport.service.wallet.master import MasterKey, Wrapped
from imageport.service.wallet.opened import KeysWanted, OpenedKeys

T = TypeVar("T")


class Wallet:
    """Every secret is bound to its customer and to what it is, such as one credential's id.

    What takes a transaction is for functions that `reading` or `writing` runs.
    """

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        self._keys = OpenedKeys(master)

    @property
    def worked(self) -> bool:
        """Whether the master key was ever to be had."""
        return self._keys.worked

    @property
    def failure(self) -> KeyServiceError | None:
        """Why the master key was not to be had when it was last asked for."""
        return self._keys.failure

    def reading(self, store: Database, run: Callable[[Tx], T]) -> T:
        """Run it in a transaction that reads. Raises KeyServiceAway, KeyServiceRefused, ..."""
        return self._with_keys(store.reading, run)

    def writing(self, store: Database, run: Callable[[Tx], T]) -> T:
        """Run it in a transaction that writes: again, from the start, for each key that was not in
        memory, so that no transaction waits for the key service. Raises as `reading` does."""
        return self._with_keys(store.writing, run)

    def _with_keys(
        self, begin: Callable[[], AbstractContextManager[Tx]], run: Callable[[Tx], T]
    ) -> T:
        while True:
            try:
                with begin() as tx:
                    return run(tx)
            except KeysWanted as error:
                wanted = error
            self._keys.fetch(wanted)

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

    def rewrap(self, store: Database) -> int:
        """Every key under the newest master key; returns how many were not.

        Raises MasterKeyMissing, KeyServiceAway, KeyServiceRefused.
        """
        newest = self._master.newest()
        with store.reading() as tx:
            old = keys.wrapped_otherwise(tx, newest)
        for key in old:
            plain = self._master.unwrap(Wrapped(key.master, key.wrapped), key.id)
            wrapped = self._master.wrap(plain, key.id)
            with store.writing() as tx:
                keys.rewrap(tx, key, wrapped.master, wrapped.key)
        return len(old)

    def token_keys(self, tx: Tx) -> dict[str, bytes]:
        """The keys that tokens are signed with by id, the newest first."""
        known = keys.token_keys_of(tx)
        ids = [key.id.removeprefix("token-key ") for key in known]
        return dict(zip(ids, self._keys.plain(*known), strict=True))

    def new_token_key(self, tx: Tx, id: str, lifetime: timedelta) -> None:
        """Keep a new one; those that no valid token can be signed with any more are forgotten."""
        _, wrapped = self._keys.new(keys.token_key_id(id))
        keys.remove_token_keys(tx, tx.now - lifetime)
        keys.add_token_key(tx, id, wrapped.master, wrapped.key)

    def _new_data_key(self, tx: Tx, customer: str, number: int) -> tuple[int, AESGCM]:
        plain, wrapped = self._keys.new(keys.data_key_id(customer, number))
        keys.add_data_key(tx, customer, number, wrapped.master, wrapped.key)
        return number, AESGCM(plain)

    def _opened(self, known: tuple[int, keys.WrappedKey]) -> tuple[int, AESGCM]:
        number, key = known
        (plain,) = self._keys.plain(key)
        return number, AESGCM(plain)


def credential(id: str) -> str:
    """What the secret of a credential is bound to."""
    return f"credential {id}"


def answer(key: str) -> str:
    """What the answer to an Idempotency-Key is bound to."""
    return f"answer {key}"


def _context(customer: str, what: str) -> str:
    # A customer's id has no space: no two pairs make the same text.
    return f"{customer} {what}"
