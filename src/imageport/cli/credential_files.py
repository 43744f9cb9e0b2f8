"""Credentials files: JSON of one account each, read by reference so that no secret is typed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from imageport.model.credentials import (
    AwsKey,
    AzureSas,
    BearerToken,
    Credential,
    GcpServiceAccount,
    GcpToken,
    UsernamePassword,
)
from imageport.model.errors import ImageportError
from imageport.wire.credentials import CREDENTIAL, AnyCredential


class CredentialsUnusable(ImageportError):
    """A credentials file cannot be read or holds something else."""

    code: ClassVar[str] = "credentials.unusable"
    sentence: ClassVar[str] = "The credentials file {path} cannot be used: {detail}."
    remedy: ClassVar[str] = (
        'Give a file such as {{"type": "UsernamePassword", "username": "...", "password": "..."}}; '
        "the other types are Aws, AzureSas, Gcp, GcpToken and Bearer."
    )


class CredentialsExposed(ImageportError):
    """Others on this computer could read the secret."""

    code: ClassVar[str] = "credentials.exposed"
    sentence: ClassVar[str] = "The credentials file {path} can be read by others."
    remedy: ClassVar[str] = "Run: chmod 600 {path}"


class _Entry(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class _UsernamePassword(_Entry):
    type: Literal["UsernamePassword"]
    username: str
    password: str
    domain: str = ""

    def credential(self) -> Credential:
        return UsernamePassword(self.username, self.password, self.domain)


class _Aws(_Entry):
    type: Literal["Aws"]
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def credential(self) -> Credential:
        return AwsKey(self.access_key_id, self.secret_access_key, self.session_token)


class _AzureSas(_Entry):
    type: Literal["AzureSas"]
    sas: str

    def credential(self) -> Credential:
        return AzureSas(self.sas.partition("?")[2] or self.sas)


class _Gcp(_Entry):
    type: Literal["Gcp"]
    service_account_key: dict[str, Any]

    def credential(self) -> Credential:
        return GcpServiceAccount(json.dumps(self.service_account_key))


class _GcpToken(_Entry):
    type: Literal["GcpToken"]
    token: str

    def credential(self) -> Credential:
        return GcpToken(self.token)


class _Bearer(_Entry):
    type: Literal["Bearer"]
    authorization: str

    def credential(self) -> Credential:
        return BearerToken(self.authorization)


_ENTRY: TypeAdapter[_UsernamePassword | _Aws | _AzureSas | _Gcp | _GcpToken | _Bearer] = (
    TypeAdapter(
        Annotated[
            _UsernamePassword | _Aws | _AzureSas | _Gcp | _GcpToken | _Bearer,
            Field(discriminator="type"),
        ]
    )
)


def read_credentials(path: Path) -> Credential:
    """Read a credentials file; a Google service account's own JSON key is taken as it is.

    Raises `CredentialsExposed`, `CredentialsUnusable`.
    """
    said = read_private_json(path)
    if isinstance(said, dict) and said.get("type") == "service_account":
        return GcpServiceAccount(json.dumps(said))
    try:
        return _ENTRY.validate_python(said).credential()
    except ValidationError as error:
        raise CredentialsUnusable(path=str(path), detail=_problems(error)) from None


def read_account(path: Path) -> UsernamePassword:
    """Of a credentials file. Raises as `read_credentials` does."""
    found = read_credentials(path)
    if isinstance(found, UsernamePassword):
        return found
    raise CredentialsUnusable(path=str(path), detail="its type is not UsernamePassword")


def credential_request(name: str, path: Path) -> AnyCredential:
    """What the service is asked to keep. Raises as `read_credentials` does."""
    said = read_private_json(path)
    if isinstance(said, dict) and said.get("type") == "service_account":
        said = {"type": "Gcp", "serviceAccountKey": said}
    try:
        return CREDENTIAL.validate_python({**said, "id": name})
    except ValidationError as error:
        raise CredentialsUnusable(path=str(path), detail=_problems(error)) from None


def _problems(error: ValidationError) -> str:
    """What was typed is left out: it may be the secret."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False)
    )


def read_private_json(path: Path) -> Any:
    """The JSON of a file that nobody else may read. Raises as `read_credentials` does."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise CredentialsExposed(path=str(path))
            return json.loads(file.read())
    except OSError as error:
        raise CredentialsUnusable(path=str(path), detail=error.strerror) from error
    except ValueError as error:
        raise CredentialsUnusable(path=str(path), detail="it is no JSON") from error
