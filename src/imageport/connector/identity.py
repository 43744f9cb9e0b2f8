"""Who the connector is: its id at the service, and two keys that never leave this computer.

Ed25519 signs its tokens; what is sealed to its X25519 key only it can open.
"""

from __future__ import annotations

import base64
import json
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from imageport.connector.errors import AlreadyRegistered, IdentityExposed, NotRegistered
from imageport.host.files import write_whole
from imageport.host.home import subfolder
from imageport.wire.connector import AUDIENCE, TOKEN_SECONDS


@dataclass(frozen=True, slots=True)
class Identity:
    """A connector of the service at `url`; `ca` is a PEM file of the only authorities to trust."""

    url: str
    id: str
    signing: Ed25519PrivateKey = field(repr=False)
    sealing: X25519PrivateKey = field(repr=False)
    ca: str | None = None

    @classmethod
    def new(cls, url: str, id: str, ca: str | None = None) -> Identity:
        """With new keys."""
        return cls(url, id, Ed25519PrivateKey.generate(), X25519PrivateKey.generate(), ca)

    @property
    def public_keys(self) -> tuple[str, str]:
        """Base64 of the signing and the sealing key."""
        return _text(self.signing.public_key()), _text(self.sealing.public_key())

    def token(self) -> str:
        """A token for one request."""
        now = int(time.time())
        claims = {
            "iss": self.id,
            "sub": self.id,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        return jwt.encode(claims, self.signing, "EdDSA", headers={"kid": self.id})

    def check(self, path: Path) -> None:
        """Raises AlreadyRegistered when another's would be lost."""
        if path.exists() and (other := load(path)).id != self.id:
            raise AlreadyRegistered(id=other.id, path=str(path))

    def save(self, path: Path) -> None:
        """Keep it, for the owner's eyes alone. Raises as `check` does."""
        self.check(path)
        said = {
            "url": self.url,
            "id": self.id,
            "ca": self.ca,
            "signing": _bytes(self.signing),
            "sealing": _bytes(self.sealing),
        }
        write_whole(path, [json.dumps(said).encode()])


def identity_file() -> Path:
    """Where this computer's connector keeps it."""
    return subfolder("connector") / "identity.json"


def load(path: Path) -> Identity:
    """Raises NotRegistered, IdentityExposed."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise IdentityExposed(path=str(path))
        said = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise NotRegistered(path=str(path)) from error
    return Identity(
        said["url"],
        said["id"],
        Ed25519PrivateKey.from_private_bytes(base64.b64decode(said["signing"])),
        X25519PrivateKey.from_private_bytes(base64.b64decode(said["sealing"])),
        said["ca"],
    )


def _text(key: Ed25519PublicKey | X25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes_raw()).decode()


def _bytes(key: Ed25519PrivateKey | X25519PrivateKey) -> str:
    return base64.b64encode(key.private_bytes_raw()).decode()
