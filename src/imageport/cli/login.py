"""`imageport login`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.account import keep, told_secret
from imageport.cli.edge import edge
from imageport.cli.options import AsJson, Authorities
from imageport.cli.screen import OUT, print_json
from imageport.client import Account, Client, calls

HELP = """Keep whom commands such as `imageport job` speak for, once the service has taken it.

Examples:

  imageport login http://127.0.0.1:8480 --customer local --client-id 5f0c...

  imageport login https://ips.example.org --customer acme --client-id 5f0c... --secret-file secret
"""


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
    ca: Authorities = None,
    as_json: AsJson = False,
) -> None:
    """See HELP."""
    with edge(as_json=as_json):
        secret = told_secret(secret_file, "Client secret")
        account = Account(url, customer, client_id, secret, ca.resolve() if ca else None)
        with Client(account) as client:
            status = client.send(calls.status())
        keep(account)
        if as_json:
            print_json(status.as_json())
        else:
            OUT.print(f"Logged in to {url} (imageport {status.version}).", highlight=False)
