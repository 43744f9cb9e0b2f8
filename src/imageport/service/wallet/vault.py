"""A master key in the transit engine of Vault or OpenBao, which never leaves it.

Source: the HTTP API's "Transit secrets engine": read key, encrypt data, decrypt data. Settings are
the variables that both programs' own commands read, but for the token: that is in a file alone,
where an agent renews it, and where no other process sees it.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from imageport.service.errors import (
    KeyServiceAway,
    KeyServiceRefused,
    MasterKeyMisnamed,
    MasterKeyMissing,
    SecretUnreadable,
)
from imageport.service.loopback import is_loopback
from imageport.service.wallet.master import LONGEST_ID, Wrapped

_LOG = logging.getLogger(__name__)
_NAME = "Vault"
_PLACE = re.compile(r"(?P<mount>[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)/(?P<key>[A-Za-z0-9_.-]+)")
_TIMEOUT = httpx.Timeout(3, connect=2)
_VERSION_DIGITS = 6
_Answer = TypeVar("_Answer", bound=BaseModel)


class _Key(BaseModel):
    type: str
    derived: bool
    latest_version: int


class _Encrypted(BaseModel):
    ciphertext: str


class _Decrypted(BaseModel):
    plaintext: str


class _BadRequest(Exception):
    """Status 400: what it means depends on what was asked."""


class VaultTransit:
    """The key `MOUNT/KEY`; each of its versions is a master key of its own."""

    def __init__(self, place: str, environment: Mapping[str, str] = os.environ) -> None:
        """Raises MasterKeyMisnamed."""
        self._said = f"vault:{place}"
        found = _PLACE.fullmatch(place)
        if found is None or ".." in place.split("/"):
            raise self._misnamed("it is not MOUNT/KEY")
        self._mount, self._key = found["mount"], found["key"]
        self._prefix = f"{self._said}:v"
        longest = LONGEST_ID - _VERSION_DIGITS
        if len(self._prefix) > longest:
            raise self._misnamed(f"MOUNT/KEY has more than {longest - len('vault::v')} characters")
        self._address = self._checked(environment.get("VAULT_ADDR", ""))
        self._namespace = environment.get("VAULT_NAMESPACE", "")
        usual = Path("~/.vault-token").expanduser()
        self._token_file = Path(environment.get("VAULT_TOKEN_FILE") or usual)
        try:
            # Made once: httpx would read every authority again for each request.
            self._tls = ssl.create_default_context(cafile=environment.get("VAULT_CACERT") or None)
        except OSError as error:
            raise self._misnamed("VAULT_CACERT is no file of certificates") from error

    def newest(self) -> str:
        """See `MasterKey`."""
        try:
            key = self._ask("GET", "keys", _Key)
        except _BadRequest as error:
            raise KeyServiceRefused(service=_NAME, detail="it has no such key") from error
        if key.derived or not key.type.startswith(("aes", "chacha20", "xchacha20")):
            raise KeyServiceRefused(service=_NAME, detail="the key is not one of AEAD")
        return f"{self._prefix}{key.latest_version}"

    def knows(self, master: str) -> bool:
        """See `MasterKey`."""
        return master.startswith(self._prefix)

    def wrap(self, key: bytes, context: str) -> Wrapped:
        """See `MasterKey`."""
        said = {"plaintext": _base64(key), "associated_data": _base64(context.encode())}
        try:
            text = self._ask("POST", "encrypt", _Encrypted, said).ciphertext
        except _BadRequest as error:
            raise KeyServiceRefused(service=_NAME, detail="it does not encrypt") from error
        version = re.match(r"vault:v(\d+):", text)
        if version is None:
            raise KeyServiceRefused(service=_NAME, detail="it answers in another format")
        return Wrapped(f"{self._prefix}{version[1]}", text.encode())

    def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """See `MasterKey`."""
        if not self.knows(wrapped.master):
            raise MasterKeyMissing(what=context, master=wrapped.master)
        said = {
            "ciphertext": wrapped.key.decode("ascii", "replace"),
            "associated_data": _base64(context.encode()),
        }
        try:
            return base64.b64decode(self._ask("POST", "decrypt", _Decrypted, said).plaintext)
        except (_BadRequest, ValueError) as error:
            raise SecretUnreadable(what=context) from error

    def _ask(
        self, method: str, what: str, kind: type[_Answer], said: dict[str, str] | None = None
    ) -> _Answer:
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        url = f"{self._address}/v1/{self._mount}/{what}/{self._key}"
        try:
            # No redirect is followed: the token would go along.
            with httpx.Client(verify=self._tls, timeout=_TIMEOUT) as client:
                answer = client.request(method, url, headers=headers, json=said)
        except httpx.TransportError as error:
            _LOG.warning("Vault, %s: %s", what, error)
            raise KeyServiceAway(service=_NAME, detail="it does not answer") from error
        if answer.status_code != httpx.codes.OK:
            _LOG.warning("Vault, %s: %s %s", what, answer.status_code, _errors(answer))
            raise _judged(answer.status_code)
        try:
            return kind.model_validate(answer.json()["data"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise KeyServiceRefused(service=_NAME, detail="it answers in another format") from error

    def _token(self) -> str:
        """Read each time, which is seldom: an agent writes a new one before the old one ends."""
        try:
            if stat.S_IMODE(self._token_file.stat().st_mode) & 0o007:
                raise KeyServiceRefused(service=_NAME, detail="others can read the token's file")
            token = self._token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            _LOG.warning("Vault's token, %s: %s", self._token_file, error)
            raise KeyServiceRefused(service=_NAME, detail="there is no token for it") from error
        if not token.isprintable() or not token:
            raise KeyServiceRefused(service=_NAME, detail="the token's file has none")
        return token

    def _checked(self, address: str) -> str:
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise self._misnamed("VAULT_ADDR is no URL") from error
        if url.scheme not in ("https", "http") or not url.host:
            raise self._misnamed("VAULT_ADDR is not set, or no URL of HTTPS")
        if url.scheme == "http" and not is_loopback(url.host):
            raise self._misnamed("VAULT_ADDR is not HTTPS, which only loopback may do without")
        return address.rstrip("/")

    def _misnamed(self, detail: str) -> MasterKeyMisnamed:
        return MasterKeyMisnamed(said=self._said, detail=detail)


def _judged(status: int) -> Exception:
    match status:
        case httpx.codes.BAD_REQUEST:
            return _BadRequest()
        case httpx.codes.FORBIDDEN:
            return KeyServiceRefused(service=_NAME, detail="permission denied")
        case httpx.codes.NOT_FOUND:
            return KeyServiceRefused(service=_NAME, detail="it has no such key")
        case _:
            # Sealed, starting, a standby that would send us elsewhere, too many requests.
            return KeyServiceAway(service=_NAME, detail=f"it answers with status {status}")


def _errors(answer: httpx.Response) -> str:
    """What it says, on one line; keys and tokens are not in it."""
    said: Any = answer.text[:300]
    return " ".join(str(said).split())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
