"""Where a page blob is, apart from the signature that gives access to it."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from imageport.disk.ends.errors import AddressError
from imageport.model.credentials import AzureSas

_SIGNATURE = re.compile(r"(?i)\b(sig=)[^&\s\"'<>)]+")
_LOGGERS = ("urllib3.connectionpool", "urllib3.util.retry", "azure.core", "azure.storage.blob")
_PLACES = 2
"""Container and blob."""


def redacted(text: str) -> str:
    """`text` without the signatures of addresses in it."""
    return _SIGNATURE.sub(r"\1REDACTED", text)


class _Redacting(logging.Filter):
    """urllib3 logs every address at DEBUG, with its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take signatures out of the record; it is always logged."""
        text = record.getMessage()
        if _SIGNATURE.search(text):
            record.msg, record.args = redacted(text), ()
        return True


def redact_logs() -> None:
    """Let the libraries below never log a signature, whatever level a program sets."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, _Redacting) for each in logger.filters):
            logger.addFilter(_Redacting())


@dataclass(frozen=True, slots=True)
class BlobAddress:
    """`origin` is scheme, host and port; `path` is quoted and begins with a slash."""

    origin: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB`; a query is left out.

        An emulator's address has the account as first part of its path. Raises `AddressError`.
        """
        parts = urlsplit(text)
        places = [place for place in parts.path.split("/") if place]
        if parts.scheme not in ("http", "https") or not parts.hostname or len(places) < _PLACES:
            name = redacted(text.partition("?")[0])
            raise AddressError(file=name, detail="the address is none of a blob")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        origin = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
        return cls(origin, "/" + "/".join(quote(unquote(place)) for place in places))

    def __str__(self) -> str:
        return self.origin + self.path

    @property
    def managed_disk(self) -> bool:
        """True for the account that Azure lends for a managed disk or its snapshot."""
        return (urlsplit(self.origin).hostname or "").startswith("md-")

    def beside(self, name: str) -> BlobAddress:
        """The blob `name` of the same folder."""
        return BlobAddress(self.origin, self.path.rsplit("/", 1)[0] + "/" + quote(name, safe=""))


def split_signature(text: str) -> tuple[str, AzureSas | None]:
    """The address without its query, and the signature if the query is one."""
    address, _, query = text.partition("?")
    return address, AzureSas(query) if "sig" in parse_qs(query) else None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a shared access signature says of itself ("Create a service SAS", Azure docs)."""

    permissions: str
    starts: datetime | None
    expires: datetime | None
    resource: str

    @classmethod
    def of(cls, sas: AzureSas) -> Self:
        """Read the fields that are no secret."""
        fields = parse_qs(sas.sas.lstrip("?"))
        return cls(
            permissions=fields.get("sp", [""])[0],
            starts=_time(fields.get("st", [""])[0]),
            expires=_time(fields.get("se", [""])[0]),
            resource=fields.get("sr", [""])[0],
        )

    def why_denied(self, here: datetime, there: datetime | None) -> str:
        """What may be wrong with the signature; `there` is the service's clock."""
        now, said = there or here, []
        if self.expires and now > self.expires:
            said.append(f"it expired at {self.expires:%Y-%m-%d %H:%M:%S} UTC")
        if self.starts and now < self.starts:
            said.append(f"it is valid from {self.starts:%Y-%m-%d %H:%M:%S} UTC on")
        if there and abs(minutes := round((here - there).total_seconds() / 60)) > 1:
            way = "ahead of" if minutes > 0 else "behind"
            said.append(f"this computer's clock is {abs(minutes)} minutes {way} the service's")
        if not said and self.permissions:
            said.append(f'it grants "{self.permissions}"')
        return "; ".join(said)


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
