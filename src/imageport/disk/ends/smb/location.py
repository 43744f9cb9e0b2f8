"""Where a file lies on an SMB server: `smb://host[:port]/share/folder/name`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from imageport.disk.ends.errors import AddressError

DEFAULT_PORT = 445
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*]')
"""Characters that no name has ([MS-FSCC] 2.1.5); a colon would name a stream of a file."""


@dataclass(frozen=True, slots=True)
class SmbLocation:
    """A file or folder on a share; `path` has slashes and none at either end."""

    host: str
    share: str
    path: str
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        """Raise `AddressError` for what no server would take."""
        parts = self.path.split("/") if self.path else []
        if not self.host or not self.share:
            raise AddressError(file=self.name, detail="a host and a share are needed")
        if any(part in ("", ".", "..") or "\\" in part for part in (self.share, *parts)):
            raise AddressError(file=self.name, detail="it has an empty part, '.', '..' or a '\\'")
        if any(_FORBIDDEN.search(part) for part in (self.share, *parts)):
            raise AddressError(file=self.name, detail="it has a character that no name may have")

    @classmethod
    def parse(cls, address: str) -> SmbLocation:
        """Read `smb://host[:port]/share/path`, percent-encoded. Raises `AddressError`."""
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port or DEFAULT_PORT
        except ValueError as error:
            raise AddressError(file="the address", detail=str(error)) from error
        if parts.username is not None or parts.password is not None:
            # The address itself is not repeated: it may hold a password.
            raise AddressError(file=f"smb://{host}", detail="it has an account in it")
        if parts.scheme.lower() != "smb" or parts.query or parts.fragment:
            raise AddressError(file=address, detail="it does not begin with smb:// or goes on")
        share, _, path = parts.path.lstrip("/").partition("/")
        return cls(host, unquote(share), unquote(path.rstrip("/")), port)

    @property
    def name(self) -> str:
        """The address, as errors have it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        return f"smb://{host}{port}/{quote(self.share, safe=' ')}/{self.path}"

    @property
    def windows_path(self) -> str:
        r"""The path within the share, as the protocol has it: `folder\name`."""
        return self.path.replace("/", "\\")

    @property
    def parent(self) -> SmbLocation:
        """The folder; the share's root is its own."""
        return SmbLocation(self.host, self.share, self.path.rpartition("/")[0], self.port)

    def beside(self, name: str) -> SmbLocation:
        """The file `name` of the same folder. Raises `AddressError`."""
        folder = self.path.rpartition("/")[0]
        return SmbLocation(self.host, self.share, f"{folder}/{name}".lstrip("/"), self.port)

    def within(self, name: str) -> SmbLocation:
        """The file `name` of this folder. Raises `AddressError`."""
        return SmbLocation(self.host, self.share, f"{self.path}/{name}".lstrip("/"), self.port)
