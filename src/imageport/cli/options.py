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
Proxy = Annotated[
    str | None,
    typer.Option(
        "--proxy",
        help="Proxy to the service, as http://HOST:PORT; by default what HTTPS_PROXY and NO_PROXY "
        "say.",
        envvar="IMAGEPORT_PROXY",
    ),
]
ProxyAccount = Annotated[
    Path | None,
    typer.Option(
        "--proxy-account",
        help="Credentials file with the proxy's username and password.",
        envvar="IMAGEPORT_PROXY_ACCOUNT",
    ),
]
Log = Annotated[
    LogFormat,
    typer.Option("--log", help="Lines for people, or JSON for machines.", envvar="IMAGEPORT_LOG"),
]
