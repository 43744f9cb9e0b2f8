"""`imageport location`."""

from __future__ import annotations

import typer

from imageport.cli.account import service
from imageport.cli.options import AsJson
from imageport.cli.screen import print_json, print_rows
from imageport.client import calls

app = typer.Typer(help="Resource locations: where connectors run.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="location")


@app.command("add")
def add(name: str, as_json: AsJson = False) -> None:
    """Make one. Example: imageport location add datacenter-1"""
    with service(as_json=as_json) as client:
        made = client.send(calls.add_location(name))
        print_json(made.as_json()) if as_json else print_rows([(made.id, made.name)])


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List them."""
    with service(as_json=as_json) as client:
        found = client.send(calls.locations())
        if as_json:
            print_json(found.as_json())
        else:
            print_rows([(each.id, each.name) for each in found.items])


@app.command("remove")
def remove(id: str, as_json: AsJson = False) -> None:
    """Remove one that has neither connectors nor jobs."""
    with service(as_json=as_json) as client:
        client.send(calls.remove_location(id))
