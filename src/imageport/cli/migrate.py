"""`imageport migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.edge import edge
from imageport.cli.ends import OutputCredentials, Overwrite, SourceCredentials, absolute, ends
from imageport.cli.guest_options import HELP as GUEST_HELP
from imageport.cli.guest_options import wishes
from imageport.cli.work import run_or_plan
from imageport.model.job import MigrateRequest
from imageport.model.target import DiskFormat, Firmware, Provisioning, Target

HELP = """Move an image file to another platform, and prove that it boots there.

The source is only read. Run the same command again after a crash or a power cut: it goes on.

Examples:

  imageport migrate master.vmdk --to gcp --output master.raw

  imageport migrate master.vhdx --to ahv --drivers ./virtio-win --output master.qcow2

  imageport migrate master.vmdk --to azure --output master.vhd --dry-run

  imageport migrate smb://files/images/master.vhdx --source-credentials share.json --to pvs
  --output smb://pvs/store/win.vhdx --output-credentials store.json
"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("migrate", help=HELP)(migrate)


def migrate(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    source: Annotated[
        str, typer.Argument(help="Disk image: raw, VHD, VHDX, VMDK or qcow2; a path or an address.")
    ],
    to: Annotated[Target, typer.Option("--to", help="Where it is to boot.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="The file to write; a path, or smb://...")
    ],
    form: Annotated[
        DiskFormat | None,
        typer.Option("--format", help="What to write, if not what the target takes."),
    ] = None,
    source_credentials: SourceCredentials = None,
    output_credentials: OutputCredentials = None,
    overwrite: Overwrite = False,
    provisioning: Annotated[
        Provisioning, typer.Option(help="How machines will be made from it.")
    ] = Provisioning.MCS,
    drivers: Annotated[
        Path | None,
        typer.Option(
            help="Driver library for Windows: a folder, or an ISO image such as virtio-win's.",
            exists=True,
        ),
    ] = None,
    components: Annotated[
        Path | None,
        typer.Option(
            help="Component source: a folder with Citrix's installers.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    guest: Annotated[
        list[str] | None, typer.Option("--guest", metavar="NAME[=VALUE]", help=GUEST_HELP)
    ] = None,
    firmware: Annotated[
        Firmware | None, typer.Option(help="Where the image's partition table leaves it open.")
    ] = None,
    untouched: Annotated[
        bool,
        typer.Option(help="First show how the image behaves on the target as it is."),
    ] = True,
    boot_timeout: Annotated[
        float, typer.Option(help="Seconds that the image's first boot may take.", min=1)
    ] = 900,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every change it would make; change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """See HELP."""
    with edge(as_json=as_json):
        request = MigrateRequest(
            source=absolute(source),
            target=to,
            output=absolute(output),
            provisioning=provisioning,
            firmware=firmware,
            drivers=str(drivers.resolve()) if drivers else None,
            components=str(components.resolve()) if components else None,
            wishes=wishes(guest or ()),
            try_untouched=untouched,
            boot_seconds=boot_timeout,
            format=form,
            overwrite=overwrite,
        )
        reached = ends(source_credentials, output_credentials)
        run_or_plan(request, reached, dry_run=dry_run, as_json=as_json)
