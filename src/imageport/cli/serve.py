"""`imageport serve`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imageport.cli.config import Config
from imageport.cli.edge import edge
from imageport.cli.logs import LogFormat, write_logs
from imageport.cli.options import Drain, Log, Slots
from imageport.cli.screen import OUT, print_facts, print_json
from imageport.host.home import subfolder

if TYPE_CHECKING:
    from imageport.embedded.serve import Started

HELP = """Run the service, and a connector for this computer beside it.

At its first start it makes a customer and prints the secret of its first administrator, once.
Ctrl-C gives jobs under way back; the next start goes on with them, also after a power cut.

Examples:

  imageport serve --images /srv/images

  imageport serve --host 0.0.0.0 --tls-certificate tls.pem --tls-key tls.key --images /srv/images

  imageport serve --no-connector --database postgresql://imageport@db/imageport
"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", help=HELP)(serve)


def serve(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    host: Annotated[
        str, typer.Option(help="Address to listen on.", envvar="IMAGEPORT_HOST")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port; 0 is any that is free.", envvar="IMAGEPORT_PORT")
    ] = 8480,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(
            help="PEM file; needed on any but loopback.", envvar="IMAGEPORT_TLS_CERTIFICATE"
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="PEM file.", envvar="IMAGEPORT_TLS_KEY")
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder whose image files jobs may read and write; may be repeated. By default "
            "`images` in the state folder.",
            envvar="IMAGEPORT_IMAGES",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    slots: Slots = None,
    drain: Drain = 0,
    connector: Annotated[bool, typer.Option(help="Whether this computer itself does jobs.")] = True,
    database: Annotated[
        str | None,
        typer.Option(
            help="postgresql://... or sqlite:///PATH; by default SQLite in the state folder.",
            envvar="IMAGEPORT_DATABASE",
        ),
    ] = None,
    master_key: Annotated[
        list[str] | None,
        typer.Option(
            help="What wraps all secrets: FILE, aws-kms:KEY or vault:MOUNT/KEY; by default a file "
            "in the state folder. May be repeated, the newest first, to go from one to another.",
            envvar="IMAGEPORT_MASTER_KEY_FROM",
            metavar="FILE|aws-kms:KEY|vault:MOUNT/KEY",
        ),
    ] = None,
    customer: Annotated[
        str, typer.Option(help="The customer of the first start.", envvar="IMAGEPORT_CUSTOMER")
    ] = "local",
    keep_jobs: Annotated[
        float,
        typer.Option(
            help="Hours that ended jobs are known.", envvar="IMAGEPORT_KEEP_JOBS", min=0.01
        ),
    ] = 24,
    log: Log = LogFormat.TEXT,
    config: Config = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the address, and the secret, as JSON.")
    ] = False,
) -> None:
    """See HELP."""
    with edge(as_json=as_json):
        # Takes seconds to import, which no other command has to wait for.
        from imageport.connector.settings import Settings as OfConnector  # noqa: PLC0415
        from imageport.connector.settings import usual_slots  # noqa: PLC0415
        from imageport.embedded.serve import Serving, Wanted  # noqa: PLC0415
        from imageport.service.api.settings import Settings  # noqa: PLC0415
        from imageport.service.server import Address  # noqa: PLC0415
        from imageport.traces.start import start  # noqa: PLC0415

        folders = tuple(folder.resolve() for folder in images or [subfolder("images")])
        own = OfConnector(folders, slots or usual_slots(), drain=drain) if connector else None
        address = Address(host, port, tls_certificate, tls_key)
        settings = Settings(retention=timedelta(hours=keep_jobs))
        write_logs(log)
        masters = tuple(master_key or ())
        wanted = Wanted(address, customer, database, masters, settings, own)
        serving = Serving(wanted, start("imageport-service"))
        _tell(serving.started, folders if connector else (), as_json=as_json)
        serving.run()


def _tell(started: Started, folders: tuple[Path, ...], *, as_json: bool) -> None:
    """The only time that the secret is seen."""
    first, local = started.first, started.local
    if as_json:
        print_json(
            {
                "url": started.url,
                "resource_location": local.location if local else None,
                "folders": [str(folder) for folder in folders],
                "administrator": asdict(first) if first else None,
            }
        )
        return
    facts = [("Serving", started.url)]
    if local:
        facts += [("Resource location", local.location)]
        facts += [("Image files below", ", ".join(map(str, folders)))]
    if first:
        facts += [("Customer", first.customer), ("Client id", first.client_id)]
        facts += [("Client secret", f"{first.secret}  (it is not shown again)")]
    print_facts(facts)
    if first:
        login = f"imageport login {started.url} --customer {first.customer}"
        OUT.print(f"Log in: {login} --client-id {first.client_id}", soft_wrap=True, highlight=False)
    sys.stdout.flush()
