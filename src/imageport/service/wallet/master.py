"""Master keys: what wraps the data keys. From a file or the environment, or behind a protocol.

A driver for a key service (KMS, Vault) is a class with the protocol's three members; none is here.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imageport.service.errors import MasterKeyInvalid, SecretUnreadable

KEY_BYTES = 32
NONCE_BYTES = 12
VARIABLE = "IMAGEPORT_MASTER_KEY"
"""The environment variable that may hold the keys; a file is better kept from other eyes."""


class MasterKey(Protocol):
    """Wraps keys of 32 bytes. `context` is bound to the wrapped key as associated data."""

    @property
    def newest(self) -> str:
        """Id of the key that `wrap` uses."""

    def wrap(self, key: bytes, context: str) -> bytes:
        """Under the newest key."""

    def unwrap(self, master: str, wrapped: bytes, context: str) -> bytes:
        """Under the key with the id `master`. Raises SecretUnreadable."""


class LocalMasterKey:
    """Keys in this process' memory: lines of `id base64`, the newest first.

    Older ones stay until every data key is under the newest, which a start of the service sees to.
    """

    def __init__(self, text: str, source: str) -> None:
        """Read them. Raises MasterKeyInvalid."""
        self._keys: dict[str, AESGCM] = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            id, _, value = line.partition(" ")
            try:
                key = base64.b64decode(value.strip(), validate=True)
            except binascii.Error as error:
                raise MasterKeyInvalid(source=source, detail="a line is not base64") from error
            if len(key) != KEY_BYTES or len(id) > 64 or id in self._keys:
                detail = f"the key {id[:8]!r} has not {KEY_BYTES} bytes, or is there twice"
                raise MasterKeyInvalid(source=source, detail=detail)
            self._keys[id] = AESGCM(key)
        if not self._keys:
            raise MasterKeyInvalid(source=source, detail="there is none")

    @property
    def newest(self) -> str:
        """See `MasterKey`."""
        return next(iter(self._keys))

    def wrap(self, key: bytes, context: str) -> bytes:
        """See `MasterKey`."""
        return encrypt(self._keys[self.newest], key, context)

    def unwrap(self, master: str, wrapped: bytes, context: str) -> bytes:
        """See `MasterKey`."""
        if master not in self._keys:
            raise SecretUnreadable(what=context)
        return decrypt(self._keys[master], wrapped, context)


def master_key(path: Path) -> LocalMasterKey:
    """From the environment when it is set there, else from the file, which is made when missing.

    Raises MasterKeyInvalid.
    """
    said = os.environ.get(VARIABLE)
    if said:
        return LocalMasterKey(said, f"the environment variable {VARIABLE}")
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise MasterKeyInvalid(source=str(path), detail=error.strerror) from error
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise MasterKeyInvalid(source=str(path), detail="others can read it")
    return LocalMasterKey(path.read_text(encoding="ascii"), str(path))


def _make(path: Path) -> None:
    """Whole or not at all, and never over another's: a key that is lost takes all secrets along."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(new_line())
        file.flush()
        os.fsync(descriptor)
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        pass  # another replica was faster
    finally:
        partial.unlink()


def new_line() -> str:
    """A new key, to be put before the others."""
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return f"{secrets.token_hex(4)} {key}\n"


def encrypt(key: AESGCM, data: bytes, context: str) -> bytes:
    """AES-256-GCM with a random nonce (NIST SP 800-38D, 8.2.2) in front of what is encrypted."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, context.encode())


def decrypt(key: AESGCM, sealed: bytes, context: str) -> bytes:
    """Raises SecretUnreadable."""
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise SecretUnreadable(what=context) from error
