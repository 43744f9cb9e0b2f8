"""`imageport login`, and whom the other commands that ask a service speak for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from imageport.cli.edge import edge
from imageport.cli.screen import OUT, print_json
from imageport.client import Account, Client, calls
from imageport.host.files import write_whole
from imageport.host.home import home
from imageport.model.errors import ImageportError

VARIABLE = "IMAGEPORT_ACCOUNT"
"""The environment variable that may name another account file."""

HELP = """Keep whom commands such as `imageport job` speak for, once the service has taken it.

Examples:

  imageport login http://127.0.0.1:8480 --customer local --client-id 5f0c...

  imageport login https://ips.example.org --customer acme --client-id 5f0c... --secret-file secret
"""


class NotLoggedIn(ImageportError):
    """There is no account to speak for."""

    code: ClassVar[str] = "client.not-logged-in"
    sentence: ClassVar[str] = "There is no account in {path}."
    remedy: ClassVar[str] = "Run `imageport login` first."


class AuthorityUnusable(ImageportError):
    """The file of authorities to trust cannot be used."""

    code: ClassVar[str] = "client.authority"
    sentence: ClassVar[str] = "The authorities in {path} cannot be used: {detail}."
    remedy: ClassVar[str] = "Give a PEM file with the certificate of whoever signed the service's."


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("login", help=HELP)(login)


def login(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    url: Annotated[str, typer.Argument(help="Where the service answers.")],
    customer: Annotated[str, typer.Option(help="The customer's id.")],
    client_id: Annotated[str, typer.Option(help="The client's id.")],
    secret_file: Annotated[
        Path | None, typer.Option(help="File with the client's secret; else it is asked for.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="PEM file of the only authorities to trust.", exists=True)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """See HELP."""
    with edge(as_json=as_json):
        secret = (
            secret_file.read_text(encoding="utf-8").strip()
            if secret_file
            else typer.prompt("Client secret", hide_input=True, err=True)
        )
        account = Account(url, customer, client_id, secret, ca.resolve() if ca else None)
        with _client(account) as client:
            status = client.send(calls.status())
        said = {
            "url": url,
            "customer": customer,
            "client_id": client_id,
            "client_secret": secret,
            "ca": str(account.ca) if account.ca else None,
        }
        write_whole(_file(), [json.dumps(said).encode()])
        if as_json:
            print_json(status.as_json())
        else:
            OUT.print(f"Logged in to {url} (imageport {status.version}).", highlight=False)


@contextmanager
def service(*, as_json: bool = False) -> Iterator[Client]:
    """The client of whoever has logged in, at the process' edge."""
    with edge(as_json=as_json), _client(_account()) as client:
        yield client


def _account() -> Account:
    from imageport.cli.credentials import read_private_json  # noqa: PLC0415  # imports pydantic

    path = _file()
    if not path.exists():
        raise NotLoggedIn(path=str(path))
    said: dict[str, Any] = read_private_json(path)
    ca = Path(said["ca"]) if said["ca"] else None
    return Account(said["url"], said["customer"], said["client_id"], said["client_secret"], ca)


def _client(account: Account) -> Client:
    try:
        return Client(account)
    except OSError as error:
        detail = error.strerror or str(error)
        raise AuthorityUnusable(path=str(account.ca), detail=detail) from error


def _file() -> Path:
    named = os.environ.get(VARIABLE)
    return Path(named) if named else home() / "account.json"
