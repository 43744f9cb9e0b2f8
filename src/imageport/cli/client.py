"""`imageport client`: who may ask the service."""

from __future__ import annotations

from typing import Annotated

import typer

from imageport.cli.account import service
from imageport.cli.options import AsJson
from imageport.cli.screen import print_facts, print_json, print_rows
from imageport.client import calls
from imageport.model.service import Role

app = typer.Typer(help="Clients of the API: who may get tokens.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="client")


@app.command("add")
def add(
    name: str,
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.OPERATE,
    as_json: AsJson = False,
) -> None:
    """Make one; its secret is shown once.

    Example: imageport client add nightly --role operate
    """
    with service(as_json=as_json) as client:
        made = client.send(calls.add_client(name, role))
        if as_json:
            print_json(made.as_json())
            return
        secret = f"{made.client_secret}  (it is not shown again)"
        print_facts([("Client id", made.id), ("Role", made.role.value), ("Client secret", secret)])


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List them, without secrets."""
    with service(as_json=as_json) as client:
        found = client.send(calls.clients())
        if as_json:
            print_json(found.as_json())
        else:
            print_rows((each.id, each.name, each.role.value) for each in found.items)


@app.command("remove")
def remove(id: str, as_json: AsJson = False) -> None:
    """Remove one; its tokens end with it."""
    with service(as_json=as_json) as client:
        client.send(calls.remove_client(id))
