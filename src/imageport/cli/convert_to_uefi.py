"""`imageport convert-to-uefi`."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import TypeAdapter

from imageport.cli.edge import edge
from imageport.cli.ends import Overwrite, ShareCredentials, absolute, ends
from imageport.cli.screen import OUT, print_json, reporter
from imageport.cli.views import conversion_plan_view, conversion_view
from imageport.jobs.ends import Ends
from imageport.model.conversion import ConversionPlan
from imageport.model.job import ConvertRequest
from imageport.model.proof import ConversionProof

HELP = """Make of a Windows image that a BIOS starts (MBR) one for UEFI (GPT), as a child of it.

The source is only read, and has to stay beside its child. Of a VHD the child is a VHD, of a VHDX a
VHDX, of anything else a qcow2. Run the same command again after a crash: it goes on.

Examples:

  imageport convert-to-uefi master.vhdx --output master.1.vhdx

  imageport convert-to-uefi master.vhdx --output master.1.vhdx --dry-run
"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("convert-to-uefi", help=HELP)(convert_to_uefi)


def convert_to_uefi(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    source: Annotated[
        str, typer.Argument(help="Disk image: raw, VHD, VHDX, VMDK or qcow2; a path, or smb://...")
    ],
    output: Annotated[str, typer.Option("--output", "-o", help="The child, in its folder.")],
    credentials: ShareCredentials = None,
    overwrite: Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every change it would make; change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """See HELP."""
    with edge(as_json=as_json):
        request = ConvertRequest(absolute(source), absolute(output), overwrite=overwrite)
        reached = ends(credentials, credentials)
        if dry_run:
            _dry_run(request, reached, as_json=as_json)
            return
        from imageport.jobs.run import run_conversion  # noqa: PLC0415  # DBOS takes a second to import

        with reporter() as steps:
            proof = run_conversion(request, steps, ends=reached)
        if as_json:
            print_json(TypeAdapter(ConversionProof).dump_python(proof, mode="json"))
        else:
            OUT.print(conversion_view(proof))


def _dry_run(request: ConvertRequest, reached: Ends, *, as_json: bool) -> None:
    from imageport.jobs.look import plan_conversion  # noqa: PLC0415  # as above

    with reporter() as steps:
        plan = plan_conversion(request, steps, reached)
    if as_json:
        print_json(TypeAdapter(ConversionPlan).dump_python(plan, mode="json"))
    else:
        OUT.print(conversion_plan_view(request, plan))
