"""AES-256-GCM, which everything at rest is encrypted by."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imageport.service.errors import SecretUnreadable

KEY_BYTES = 32
NONCE_BYTES = 12


def encrypt(key: AESGCM, data: bytes, context: str) -> bytes:
    """With a random nonce (NIST SP 800-38D, 8.2.2) in front of what is encrypted."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, context.encode())


def decrypt(key: AESGCM, sealed: bytes, context: str) -> bytes:
    """Raises SecretUnreadable."""
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise SecretUnreadable(what=context) from error
