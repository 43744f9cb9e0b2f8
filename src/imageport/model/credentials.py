"""Credentials, by the kinds that users of Citrix's service know; no secret is ever printed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UsernamePassword:
    """An account of a share or a hypervisor; `domain` is empty for a local one."""

    username: str
    password: str = field(repr=False)
    domain: str = ""


@dataclass(frozen=True, slots=True)
class AwsKey:
    """An access key; None for the session token of a permanent one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AzureSas:
    """The query string of a shared access signature, for one blob or managed disk."""

    sas: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GcpToken:
    """An OAuth 2 access token for Cloud Storage."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GcpServiceAccount:
    """A service account's key, as the JSON text that Google hands out."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token or other value that is sent in the Authorization header of plain HTTP reads."""

    authorization: str = field(repr=False)


Credential = UsernamePassword | AwsKey | AzureSas | GcpToken | GcpServiceAccount | BearerToken
