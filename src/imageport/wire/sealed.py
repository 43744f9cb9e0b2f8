"""A secret sealed to one connector, for one lease of one job.

HPKE (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The `info` binds
the connector, the job, its fence and the credential.
"""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from imageport.model.errors import ImageportError

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealBroken(ImageportError):
    """A sealed secret was not sealed for this connector and this lease."""

    code = "credentials.seal"
    sentence = "The credential {credential} cannot be opened by this connector."
    remedy = "Start the job again; if it happens again, register the connector anew."


def seal(secret: bytes, public_key: str, *, lease: tuple[str, str, int], credential: str) -> str:
    """Base64. `lease` is connector, job and fence; `public_key` is base64 of 32 bytes."""
    key = X25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    return base64.b64encode(_SUITE.encrypt(secret, key, info=_info(lease, credential))).decode()


def unseal(
    sealed: str, private_key: X25519PrivateKey, *, lease: tuple[str, str, int], credential: str
) -> bytes:
    """Raises SealBroken."""
    try:
        data = base64.b64decode(sealed, validate=True)
        return _SUITE.decrypt(data, private_key, info=_info(lease, credential))
    except (InvalidTag, ValueError) as error:
        raise SealBroken(credential=credential) from error


def _info(lease: tuple[str, str, int], credential: str) -> bytes:
    connector, job, fence = lease
    return f"imageport lease {connector} {job} {fence} {credential}".encode()
