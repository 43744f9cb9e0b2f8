"""Master keys in this process' memory, from a file or the environment."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imageport.service.errors import MasterKeyInvalid, MasterKeyMissing
from imageport.service.wallet.aead import KEY_BYTES, decrypt, encrypt
from imageport.service.wallet.master import LONGEST_ID, Wrapped


class LocalMasterKey:
    """Lines of `id base64`, the newest first.

    Older ones stay until every data key is under the newest, which the service sees to.
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
            if len(key) != KEY_BYTES or len(id) > LONGEST_ID or id in self._keys:
                detail = f"the key {id[:8]!r} has not {KEY_BYTES} bytes, or is there twice"
                raise MasterKeyInvalid(source=source, detail=detail)
            self._keys[id] = AESGCM(key)
        if not self._keys:
            raise MasterKeyInvalid(source=source, detail="there is none")

    def newest(self) -> str:
        """See `MasterKey`."""
        return next(iter(self._keys))

    def knows(self, master: str) -> bool:
        """See `MasterKey`."""
        return master in self._keys

    def wrap(self, key: bytes, context: str) -> Wrapped:
        """See `MasterKey`."""
        newest = self.newest()
        return Wrapped(newest, encrypt(self._keys[newest], key, context))

    def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """See `MasterKey`."""
        if wrapped.master not in self._keys:
            raise MasterKeyMissing(what=context, master=wrapped.master)
        return decrypt(self._keys[wrapped.master], wrapped.key, context)


def from_file(path: Path, *, make: bool) -> LocalMasterKey:
    """`make`: with a new key, when it is missing. Raises MasterKeyInvalid."""
    try:
        if make and not path.exists():
            _make(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise MasterKeyInvalid(source=str(path), detail="others can read it")
        return LocalMasterKey(path.read_text(encoding="ascii"), str(path))
    except OSError as error:
        raise MasterKeyInvalid(source=str(path), detail=error.strerror) from error
    except UnicodeDecodeError as error:
        raise MasterKeyInvalid(source=str(path), detail="it is no text") from error


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
