"""Signs proofs with this installation's own key (Ed25519), and checks them.

The key is made at its first use, in the state folder, mode 0600. Whoever checks a proof elsewhere
compares the public key that the proof carries with the one that `imageport proof key` prints.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from imageport.host.files import write_whole
from imageport.host.home import subfolder


def sign(data: bytes) -> str:
    """Two lines: the public key and the signature of `data`, in base64."""
    key = _private_key()
    return f"{public_key()}\n{base64.b64encode(key.sign(data)).decode()}\n"


def public_key() -> str:
    """This installation's public key, base64 of its 32 bytes."""
    raw = _private_key().public_key().public_bytes_raw()
    return base64.b64encode(raw).decode()


def signer(data: bytes, signature: str) -> str | None:
    """The public key that signed `data`, or None when the signature is not right."""
    try:
        key, value = (base64.b64decode(line, validate=True) for line in signature.split())
        Ed25519PublicKey.from_public_bytes(key).verify(value, data)
    except (ValueError, InvalidSignature):
        return None
    return base64.b64encode(key).decode()


def _private_key() -> Ed25519PrivateKey:
    path = Path(subfolder("keys"), "proof.pem")
    if not path.exists():
        made = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_whole(path, [made])
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} holds a key of another kind")
    return key
