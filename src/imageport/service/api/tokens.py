"""Tokens: those that the service signs for clients, and those that connectors sign themselves.

JWT (RFC 7519) with fixed algorithms: HS256 with a key of the wallet, named by `kid`; EdDSA with the
key that a connector registered.
"""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from imageport.service.errors import NotAuthenticated
from imageport.service.store import keys
from imageport.service.store.customers import Client
from imageport.service.store.database import Database, Tx
from imageport.service.wallet.wallet import Wallet
from imageport.wire.connector import AUDIENCE as CONNECTOR_AUDIENCE
from imageport.wire.connector import TOKEN_SECONDS

ISSUER = "imageport"
AUDIENCE = "imageport-api"
LEEWAY_SECONDS = 30
"""Between a connector's clock and ours."""


def issue(tx: Tx, wallet: Wallet, client: Client, lifetime: timedelta) -> str:
    """A token for the client."""
    kid, key = next(iter(wallet.token_keys(tx).items()))
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": client.id,
        "customer": client.customer,
        "iat": now,
        "exp": now + lifetime,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, key, "HS256", headers={"kid": kid})


def client_of(tx: Tx, wallet: Wallet, token: str) -> tuple[str, str]:
    """Customer and client id of a token of ours. Raises NotAuthenticated."""
    key = wallet.token_keys(tx).get(_kid(token))
    if key is None:
        raise NotAuthenticated(detail="the token's key is not known")
    claims = _verified(token, key, "HS256", AUDIENCE, ISSUER)
    return str(claims.get("customer")), str(claims["sub"])


def connector_id(token: str) -> str:
    """Who a connector's token says it is of; nothing is verified yet. Raises NotAuthenticated."""
    return _kid(token)


def verify_connector(token: str, connector: str, signing_key: str) -> None:
    """Raises NotAuthenticated."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signing_key))
    claims = _verified(token, key, "EdDSA", CONNECTOR_AUDIENCE, connector)
    if claims["sub"] != connector or claims["exp"] - claims["iat"] > TOKEN_SECONDS:
        raise NotAuthenticated(detail="it is another connector's token, or valid for too long")


def renew_token_key(store: Database, wallet: Wallet, age: timedelta, lifetime: timedelta) -> None:
    """A new key when the newest is older than `age`, or there is none."""
    id = keys.new_token_key_id()

    def renew(tx: Tx) -> None:
        known = keys.token_keys_of(tx)
        if not known or known[0].created_at < tx.now - age:
            wallet.new_token_key(tx, id, age + lifetime)

    wallet.writing(store, renew)


def ensure_token_key(store: Database, wallet: Wallet, age: timedelta, lifetime: timedelta) -> None:
    """Make the first, should the start have had no key service to wrap it."""
    with store.reading() as tx:
        known = keys.token_keys_of(tx)
    if not known:
        renew_token_key(store, wallet, age, lifetime)


def _kid(token: str) -> str:
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError as error:
        raise NotAuthenticated(detail="the token is no JWT") from error
    if not isinstance(kid, str) or not kid.isprintable():
        raise NotAuthenticated(detail="the token names no key")
    return kid


def _verified(
    token: str, key: bytes | Ed25519PublicKey, algorithm: str, audience: str, issuer: str
) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY_SECONDS if algorithm == "EdDSA" else 0,
            options={"require": ["iss", "aud", "sub", "iat", "exp"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise NotAuthenticated(detail="the token has expired") from error
    except jwt.PyJWTError as error:
        raise NotAuthenticated(detail="the token is not valid here") from error
