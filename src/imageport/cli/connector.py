"""`imageport connector`: make one known, and run one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imageport.cli.account import service, told_secret
from imageport.cli.config import Config
from imageport.cli.edge import edge
from imageport.cli.logs import LogFormat, write_logs
from imageport.cli.options import (
    AsJson,
    Authorities,
    Drain,
    Log,
    Proxy,
    ProxyAccount,
    Slots,
)
from imageport.cli.screen import OUT, print_facts, print_json, print_rows
from imageport.client import calls
from imageport.wire.documents import Connector

if TYPE_CHECKING:
    import httpx

app = typer.Typer(
    help="Connectors: what does the jobs of a resource location.", no_args_is_help=True
)


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="connector")


@app.command()
def add(
    name: str,
    location: Annotated[str, typer.Option(help="Id of its resource location.")],
    as_json: AsJson = False,
) -> None:
    """Expect one; prints its id and its one-time code.

    Example: imageport connector add rack-4 --location 7d1b...
    """
    with service(as_json=as_json) as client:
        made = client.send(calls.add_connector(location, name))
        if as_json:
            print_json(made.as_json())
            return
        print_facts([("Connector", made.id), ("One-time code", f"{made.code}  (valid for a day)")])
        there = f"There: imageport connector register URL --id {made.id}"
        OUT.print(there, soft_wrap=True, highlight=False)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List them, and whether they are there."""
    with service(as_json=as_json) as client:
        found = client.send(calls.connectors())
        if as_json:
            print_json(found.as_json())
            return
        print_rows((each.id, each.name, _state(each), each.version or "") for each in found.items)


def _state(connector: Connector) -> str:
    if connector.registered:
        return "online" if connector.online else "offline"
    return "expected"


@app.command()
def remove(id: str, as_json: AsJson = False) -> None:
    """Let one in no more."""
    with service(as_json=as_json) as client:
        client.send(calls.remove_connector(id))


@app.command()
def register(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    url: Annotated[str, typer.Argument(help="Where the service answers.")],
    id: Annotated[str, typer.Option(help="The connector's id.")],
    code_file: Annotated[
        Path | None, typer.Option(help="File with the one-time code; else it is asked for.")
    ] = None,
    ca: Authorities = None,
    proxy: Proxy = None,
    proxy_account: ProxyAccount = None,
    as_json: AsJson = False,
) -> None:
    """Make this computer that connector: its keys are made here, and stay here.

    Example: imageport connector register https://ips.example.org --id 91ac... --code-file code
    """
    with edge(as_json=as_json):
        from imageport.connector.identity import Identity, identity_file  # noqa: PLC0415
        from imageport.connector.link import register as registered  # noqa: PLC0415

        code = told_secret(code_file, "One-time code")
        identity = Identity.new(url, id, str(ca.resolve()) if ca else None)
        identity.check(identity_file())
        said = asyncio.run(registered(identity, code, _proxy(url, proxy, proxy_account)))
        identity.save(identity_file())
        if as_json:
            print_json(said.as_json())
        else:
            print_facts([("Registered at", url), ("Resource location", said.resource_location_id)])


@app.command()
def run(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    images: Annotated[
        list[Path],
        typer.Option(
            help="Folder whose image files jobs may read and write; may be repeated.",
            envvar="IMAGEPORT_IMAGES",
            exists=True,
            file_okay=False,
        ),
    ],
    slots: Slots = None,
    drain: Drain = 30,
    proxy: Proxy = None,
    proxy_account: ProxyAccount = None,
    log: Log = LogFormat.TEXT,
    config: Config = None,
) -> None:
    """Do the jobs of this connector's resource location, until SIGTERM.

    Example: imageport connector run --images /srv/images
    """
    with edge():
        from imageport.connector.connector import run_until_told  # noqa: PLC0415
        from imageport.connector.identity import identity_file, load  # noqa: PLC0415
        from imageport.connector.settings import Settings, usual_slots  # noqa: PLC0415
        from imageport.traces.start import start  # noqa: PLC0415

        folders = tuple(folder.resolve() for folder in images)
        settings = Settings(folders, slots or usual_slots(), drain=drain)
        write_logs(log)
        identity = load(identity_file())
        way = _proxy(identity.url, proxy, proxy_account)
        traces = start("imageport-connector")
        try:
            asyncio.run(run_until_told(identity, settings, way, traces))
        finally:
            traces.close()


def _proxy(url: str, named: str | None, account: Path | None) -> httpx.Proxy | None:
    from imageport.cli.credential_files import read_account  # noqa: PLC0415
    from imageport.connector.proxy import proxy_to  # noqa: PLC0415

    return proxy_to(url, named, read_account(account) if account else None)
