"""Credentials as they are sent; what is `writeOnly` is never sent back.

Types and the fields of `UsernamePassword` are Citrix's; of the others only the types are known, and
the names are ours in the same style.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter

from imageport.model.service import CredentialType
from imageport.wire.base import Document, Name, Request, Secret, Text, value_in_any_case


class _NewCredential(Request):
    id: Name
    """The name that jobs will use."""


class UsernamePasswordCredential(_NewCredential):
    """An account of a share, of vCenter, XenServer or Prism."""

    type: Literal[CredentialType.USERNAME_PASSWORD]
    username: Text
    password: Secret
    domain: str = Field(default="", max_length=255)
    """Of Active Directory; empty for a local account."""


class AwsCredential(_NewCredential):
    """An access key of AWS."""

    type: Literal[CredentialType.AWS]
    access_key_id: Text
    secret_access_key: Secret
    session_token: Secret | None = None
    """Of temporary keys alone."""


class AzureCredential(_NewCredential):
    """A service principal of Azure."""

    type: Literal[CredentialType.AZURE]
    tenant_id: Text
    client_id: Text
    """Application id of the service principal."""
    client_secret: Secret


class GcpCredential(_NewCredential):
    """A service account's key, as the JSON that Google hands out."""

    type: Literal[CredentialType.GCP]
    service_account_key: dict[str, Any] = Field(min_length=1, json_schema_extra={"writeOnly": True})
    """The whole document."""


class SimpleCredential(_NewCredential):
    """One secret text."""

    type: Literal[CredentialType.SIMPLE]
    secret: Secret


AnyCredential = (
    UsernamePasswordCredential | AwsCredential | AzureCredential | GcpCredential | SimpleCredential
)


def _type(said: Any) -> str | None:
    return value_in_any_case(said, "type")


NewCredential = Annotated[
    Annotated[UsernamePasswordCredential, Tag(CredentialType.USERNAME_PASSWORD)]
    | Annotated[AwsCredential, Tag(CredentialType.AWS)]
    | Annotated[AzureCredential, Tag(CredentialType.AZURE)]
    | Annotated[GcpCredential, Tag(CredentialType.GCP)]
    | Annotated[SimpleCredential, Tag(CredentialType.SIMPLE)],
    Discriminator(_type),
]
CREDENTIAL: TypeAdapter[AnyCredential] = TypeAdapter(NewCredential)


class Credential(Document):
    """A credential without its secret."""

    id: str
    """The name that jobs use."""
    type: CredentialType
    state: Literal["Ok"] = "Ok"
    """Citrix's clients look for it; it says nothing here."""
    created_at: datetime
    updated_at: datetime


class CredentialList(Document):
    """All credentials of a customer, by name."""

    items: tuple[Credential, ...]
