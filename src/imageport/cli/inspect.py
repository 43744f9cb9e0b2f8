"""`imageport inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter

from imageport.cli.edge import edge
from imageport.cli.screen import OUT, print_json, reporter

HELP = """Say what is inside an image, and what would be in the way of a migration.

Examples:

  imageport inspect master.vmdk

  imageport inspect master.vhdx --json
"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect", help=HELP)(inspect)


def inspect(
    file: Annotated[Path, typer.Argument(help="Disk image: raw, VHD, VHDX, VMDK or qcow2.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """See HELP."""
    from imageport.cli.views import look_view  # noqa: PLC0415  # keeps `--help` quick
    from imageport.jobs.look import Look, look_inside  # noqa: PLC0415

    with edge(as_json=as_json):
        with reporter() as steps:
            look = look_inside(file.resolve(), steps)
        if as_json:
            print_json(TypeAdapter(Look).dump_python(look, mode="json"))
        else:
            OUT.print(look_view(look))
