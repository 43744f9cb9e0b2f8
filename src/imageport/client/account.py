"""Which service, as whom."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from imageport.client.errors import AuthorityUnusable


@dataclass(frozen=True, slots=True)
class Account:
    """A client of a customer at a service; `ca` is a PEM file of the only authorities to trust."""

    url: str
    customer: str
    client_id: str
    client_secret: str = field(repr=False)
    ca: Path | None = None


def tls(ca: Path | None) -> ssl.SSLContext:
    """Whom to trust; None: whoever this computer does. Raises AuthorityUnusable."""
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        detail = error.strerror or str(error)
        raise AuthorityUnusable(path=str(ca), detail=detail) from error
