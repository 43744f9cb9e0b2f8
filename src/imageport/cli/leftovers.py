"""`imageport leftovers`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from imageport.cli.aws_leftovers import aws
from imageport.cli.edge import edge
from imageport.cli.options import AsJson
from imageport.cli.screen import OUT, print_json
from imageport.jobs.leftovers import find_leftovers, remove_leftovers

app = typer.Typer(help="What killed migrations left behind.", no_args_is_help=True)
app.command()(aws)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List what is there of migrations that no process works on."""
    _show(as_json, "left", remove=False)


@app.command()
def remove(as_json: AsJson = False) -> None:
    """Remove it. A migration that was killed can then not be gone on with."""
    _show(as_json, "removed", remove=True)


def _show(as_json: bool, word: str, *, remove: bool) -> None:
    with edge(as_json=as_json):
        found = remove_leftovers() if remove else find_leftovers()
        if as_json:
            print_json([asdict(each) for each in found])
            return
        for each in found:
            OUT.print(f"{each.job}  {each.kind}  {each.name}", soft_wrap=True, highlight=False)
        OUT.print(f"{len(found)} {word}.")


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="leftovers")
