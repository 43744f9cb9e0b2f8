"""`imageport upgrade-pvs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.edge import edge
from imageport.cli.ends import Overwrite, ShareCredentials, absolute, ends
from imageport.cli.screen import OUT, print_json
from imageport.cli.work import run_or_plan
from imageport.jobs.errors import NothingToDo
from imageport.model.job import MigrateRequest
from imageport.model.target import Firmware, Provisioning, Target
from imageport.model.wishes import GuestWishes, Operation

HELP = """Install another version of the Provisioning target device in a vDisk.

The vDisk is only read: the result is a child of it, a new version in the words of Citrix
Provisioning. Its Windows is started from its own disk, which no streamed device can do, and the
installer runs there. Run the same command again after a crash or a power cut: it goes on.

Examples:

  imageport upgrade-pvs win.vhdx --components ./citrix --pvs-version 2402 --output win.1.avhdx

  imageport upgrade-pvs win.1.avhdx --components ./citrix --pvs-version 7.41.100 -o win.2.avhdx
"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("upgrade-pvs", help=HELP)(upgrade_pvs)


def upgrade_pvs(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    vdisk: Annotated[
        str, typer.Argument(help="The vDisk: a VHD or VHDX, or a version; a path, or smb://...")
    ],
    components: Annotated[
        Path,
        typer.Option(
            help="Component source: a folder with Citrix's installers.",
            exists=True,
            file_okay=False,
        ),
    ],
    pvs_version: Annotated[str, typer.Option(help="A release (2402), or a version (7.41.100).")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="The child to write beside it: .avhdx or .avhd."),
    ],
    credentials: ShareCredentials = None,
    overwrite: Overwrite = False,
    on: Annotated[
        Target, typer.Option("--on", help="What its target devices run on.")
    ] = Target.VSPHERE,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Also where a newer version is there.")
    ] = False,
    ignore_lock: Annotated[
        bool, typer.Option("--ignore-lock", help="Also where the vDisk is locked: it is only read.")
    ] = False,
    firmware: Annotated[
        Firmware | None, typer.Option(help="Where the vDisk's partition table leaves it open.")
    ] = None,
    boot_timeout: Annotated[
        float, typer.Option(help="Seconds that a boot of the vDisk may take.", min=1)
    ] = 900,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every change it would make; change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """See HELP."""
    with edge(as_json=as_json):
        request = MigrateRequest(
            source=absolute(vdisk),
            target=on,
            output=absolute(output),
            provisioning=Provisioning.PVS,
            firmware=firmware,
            components=str(components.resolve()),
            wishes=GuestWishes(install_pvs=pvs_version, pvs_downgrade=downgrade),
            try_untouched=False,
            boot_seconds=boot_timeout,
            operation=Operation.UPGRADE_PVS,
            ignore_lock=ignore_lock,
            overwrite=overwrite,
        )
        reached = ends(credentials, credentials)
        try:
            run_or_plan(request, reached, dry_run=dry_run, as_json=as_json)
        except NothingToDo as idle:
            if as_json:
                print_json({"nothing_to_do": idle.as_dict()})
            else:
                OUT.print(idle.message, markup=False, highlight=False, soft_wrap=True)
