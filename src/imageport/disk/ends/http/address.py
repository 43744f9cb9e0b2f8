"""What an address of a web server consists of, and what of it may be said aloud."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import quote, urljoin, urlsplit

from imageport.disk.ends.errors import AddressError, UnsuitableError

_PORTS = {"http": 80, "https": 443}
_ALLOWED = "/%:@!$&'()*+,;=~?"
"""What stays as it is: an address that is encoded already is not encoded again."""


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Scheme, host and what is asked of it; `query` often holds a signature."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """The address `url`. Raises `AddressError`."""
        try:
            parts = urlsplit(url)
            scheme, host = parts.scheme, (parts.hostname or "").encode("idna").decode()
            port = parts.port or _PORTS.get(scheme, 0)
        except ValueError:
            raise AddressError(file="the address", detail="it is no web address") from None
        if scheme not in _PORTS or not host:
            raise AddressError(file=host or "the address", detail="it is no web address")
        if parts.username is not None or parts.password is not None:
            raise AddressError(file=host, detail="credentials do not belong in an address")
        query = quote(parts.query, safe=_ALLOWED)
        return cls(scheme, host, port, quote(parts.path or "/", safe=_ALLOWED), query)

    @property
    def name(self) -> str:
        """The address without its query."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """What a request asks for."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def url(self) -> str:
        """All of it, secrets included."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def is_same_origin(self, other: HttpAddress) -> bool:
        """Whether what may be told to one may be told to the other."""
        mine, theirs = (self.scheme, self.host, self.port), (other.scheme, other.host, other.port)
        return mine == theirs

    def redirected(self, location: str) -> HttpAddress:
        """Where an answer from here leads. Raises `UnsuitableError`, also from TLS to plain."""
        address = self.parse(urljoin(self.url, location))
        if self.scheme == "https" and address.scheme != "https":
            detail = f"it leads from TLS to plain text at {address.host}"
            raise UnsuitableError(file=self.name, detail=detail)
        return address

    def beside(self, name: str) -> HttpAddress:
        """The file `name` of the same folder, asked for in the same way."""
        folder = self.path.rpartition("/")[0]
        return replace(self, path=f"{folder}/{quote(name, safe='')}")
