"""`imageport credential`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.account import service
from imageport.cli.options import AsJson
from imageport.cli.screen import print_json, print_rows
from imageport.client import calls

app = typer.Typer(
    help="Credentials in the service's wallet, handed to jobs that name them.", no_args_is_help=True
)


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="credential")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The name that jobs will use.")],
    file: Annotated[
        Path, typer.Argument(help="JSON file (mode 0600), as --target-credentials takes it.")
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Change the one that has the name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Keep one. Example: imageport credential add share share.json

    with {"type": "UsernamePassword", "username": "ips", "password": "..."} in share.json.
    """
    from imageport.cli.credential_files import credential_request  # noqa: PLC0415  # imports pydantic

    with service(as_json=as_json) as client:
        said = credential_request(name, file)
        call = calls.change_credential if replace else calls.add_credential
        made = client.send(call(said))
        print_json(made.as_json()) if as_json else print_rows([(made.id, made.type.value)])


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List them, without secrets."""
    with service(as_json=as_json) as client:
        found = client.send(calls.credentials())
        if as_json:
            print_json(found.as_json())
        else:
            print_rows([(each.id, each.type.value) for each in found.items])


@app.command("remove")
def remove(name: str, as_json: AsJson = False) -> None:
    """Forget one that no job needs any more."""
    with service(as_json=as_json) as client:
        client.send(calls.remove_credential(name))
