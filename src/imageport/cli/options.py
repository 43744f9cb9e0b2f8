"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.logs import LogFormat

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

Authorities = Annotated[
    Path | None,
    typer.Option("--ca", help="PEM file of the only authorities to trust.", exists=True),
]
Slots = Annotated[
    int | None,
    typer.Option("--slots", help="How many jobs run at once.", envvar="IMAGEPORT_SLOTS", min=1),
]
Drain = Annotated[
    float,
    typer.Option(
        "--drain",
        help="Seconds that jobs may still take after SIGTERM or Ctrl-C; then they are given back.",
        envvar="IMAGEPORT_DRAIN",
        min=0,
    ),
]
Proxy = Annotated[str | None, typer.Option("--proxy", help="HTTP proxy.", envvar="IMAGEPORT_PROXY")]
Log = Annotated[
    LogFormat,
    typer.Option("--log", help="Lines for people, or JSON for machines.", envvar="IMAGEPORT_LOG"),
]
