"""Block and page tokens: what they stand for, until when, and a mark that only the lab can make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time

_KEY = secrets.token_bytes(32)
_MARK = 16


def issue(what: str, life: float) -> str:
    """A token for `what` that is valid for `life` seconds."""
    text = f"{what}|{time.time() + life}".encode()
    return base64.b64encode(_mark(text) + text).decode()


def valid(token: str, what: str) -> bool:
    """Whether the token was issued for `what` and has not expired."""
    return redeem(token) == what


def redeem(token: str) -> str | None:
    """What the token stands for; None when it is forged or has expired."""
    try:
        raw = base64.b64decode(token, validate=True)
    except ValueError:
        return None
    mark, text = raw[:_MARK], raw[_MARK:]
    if not hmac.compare_digest(mark, _mark(text)):
        return None
    what, _, until = text.decode().rpartition("|")
    return what if time.time() < float(until) else None


def _mark(text: bytes) -> bytes:
    return hmac.digest(_KEY, text, hashlib.sha256)[:_MARK]
