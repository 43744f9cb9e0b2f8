"""`imageport engine`."""

from __future__ import annotations

from typing import Annotated

import typer

from imageport.cli.edge import edge
from imageport.cli.screen import OUT, PlainSteps, print_json
from imageport.engine.image.build import engine_image

app = typer.Typer(help="The compositing engine's image.", no_args_is_help=True)


@app.command()
def build(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Build the engine image, unless it is there. The first time takes a minute."""
    with edge(as_json=as_json):
        image = engine_image(PlainSteps().say)
        if as_json:
            print_json({"key": image.key, "disk": str(image.disk)})
        else:
            OUT.print(f"{image.disk} (key {image.key})", soft_wrap=True)


@app.callback()
def engine() -> None:
    """The compositing engine's image."""


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="engine")
