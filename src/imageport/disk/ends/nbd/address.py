"""Where an export is, and how its server is trusted."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from imageport.disk.ends.errors import AddressError
from imageport.disk.ends.nbd.protocol import LONGEST_TEXT, PORT

_SCHEMES = ("nbd", "nbds", "nbd+unix", "nbds+unix")


@dataclass(frozen=True, slots=True)
class NbdAddress:
    """An export of a server: by host and port, or by the path of a Unix socket."""

    host: str = ""
    port: int = PORT
    socket: Path | None = None
    export: str = ""
    """Free text; the empty name is the server's default export."""
    secure: bool = False
    """Whether to speak TLS and nothing else."""

    @classmethod
    def parse(cls, uri: str) -> Self:
        """The address that an NBD URI names (doc/uri.md of the protocol's repository).

        `nbd` is plain and `nbds` is TLS; neither is ever both. Raises `AddressError`.
        """
        try:
            parts = urlsplit(uri)
            query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
            host, port = parts.hostname or "", parts.port or PORT
        except ValueError:
            raise _unusable(uri, "it is no NBD address") from None
        if parts.username is not None:
            raise _unusable(uri, "a user's name is only for pre-shared keys, which are unsupported")
        unix = parts.scheme.endswith("+unix")
        if parts.scheme not in _SCHEMES:
            raise _unusable(uri, f"the address begins with none of {', '.join(_SCHEMES)}")
        if query.keys() != ({"socket"} if unix else set()) or unix == bool(host):
            raise _unusable(uri, "it needs a host, or ?socket= for a Unix socket, and no more")
        return cls(
            host,
            port,
            Path(query["socket"]) if unix else None,
            unquote(parts.path.removeprefix("/")),
            parts.scheme.startswith("nbds"),
        )

    def __post_init__(self) -> None:
        if len(self.export.encode()) > LONGEST_TEXT:
            raise _unusable(self.host, f"an export's name has at most {LONGEST_TEXT} bytes")

    def __str__(self) -> str:
        scheme = "nbds" if self.secure else "nbd"
        path = quote(self.export)
        if self.socket is not None:
            return f"{scheme}+unix:///{path}?socket={quote(str(self.socket))}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORT else f":{self.port}"
        return f"{scheme}://{host}{port}/{path}"


@dataclass(frozen=True, slots=True)
class NbdTls:
    """How the server is known, and who the client is; files are PEM."""

    ca: Path | None = None
    """The authority that signed the server's certificate; None for the system's authorities."""
    certificate: Path | None = None
    """The client's certificate, with the chain up to its authority."""
    key: Path | None = None
    hostname: str | None = None
    """The name in the server's certificate, where it is not the address's host."""

    def context(self) -> ssl.SSLContext:
        """A context for TLS 1.2 and newer. Raises `OSError` when a file cannot be used."""
        if self.ca is None:
            context = ssl.create_default_context()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


def _unusable(uri: str, detail: str) -> AddressError:
    # What stands before an @ may be a password.
    return AddressError(file=uri.rpartition("@")[2], detail=detail)
