"""Whom the commands that ask a service speak for: the account that `imageport login` keeps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import typer

from imageport.cli.edge import edge
from imageport.client import Account, Client
from imageport.host.files import write_whole
from imageport.host.home import home
from imageport.model.errors import ImageportError

VARIABLE = "IMAGEPORT_ACCOUNT"
"""The environment variable that may name another account file."""


class NotLoggedIn(ImageportError):
    """There is no account to speak for."""

    code: ClassVar[str] = "client.not-logged-in"
    sentence: ClassVar[str] = "There is no account in {path}."
    remedy: ClassVar[str] = "Run `imageport login` first."


class SecretFileUnreadable(ImageportError):
    """The file with a secret cannot be read."""

    code: ClassVar[str] = "client.secret-file"
    sentence: ClassVar[str] = "The secret in {path} cannot be read: {detail}."
    remedy: ClassVar[str] = "Give a text file with the secret alone, or leave it out to be asked."


@contextmanager
def service(*, as_json: bool = False) -> Iterator[Client]:
    """The client of whoever has logged in, at the process' edge."""
    with edge(as_json=as_json), Client(_account()) as client:
        yield client


def told_secret(file: Path | None, what: str) -> str:
    """From the file, else asked for on the terminal. Raises SecretFileUnreadable."""
    if file is None:
        asked: str = typer.prompt(what, hide_input=True, err=True)
        return asked
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        detail = getattr(error, "strerror", None) or "it is no text"
        raise SecretFileUnreadable(path=str(file), detail=detail) from error


def keep(account: Account) -> None:
    """Keep it, for the user's eyes alone."""
    said = {
        "url": account.url,
        "customer": account.customer,
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "ca": str(account.ca) if account.ca else None,
    }
    write_whole(_file(), [json.dumps(said).encode()])


def _account() -> Account:
    from imageport.cli.credential_files import read_private_json  # noqa: PLC0415  # imports pydantic

    path = _file()
    if not path.exists():
        raise NotLoggedIn(path=str(path))
    said: dict[str, Any] = read_private_json(path)
    ca = Path(said["ca"]) if said["ca"] else None
    return Account(said["url"], said["customer"], said["client_id"], said["client_secret"], ca)


def _file() -> Path:
    named = os.environ.get(VARIABLE)
    return Path(named) if named else home() / "account.json"
