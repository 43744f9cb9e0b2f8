"""`imageport diagnostics`."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.filesize import decimal

from imageport.cli.edge import edge
from imageport.cli.ends import ShareCredentials, SourceCredentials, absolute, ends
from imageport.cli.options import AsJson
from imageport.cli.screen import print_facts, print_json, reporter
from imageport.model.diagnostics import Diagnostics, DiagnosticsPlan, DiagnosticsWants
from imageport.model.job import DiagnosticsRequest

HELP = """Collect logs from an image, also from one that does not start, into a folder or a share.

Event logs of a Windows as they are and as text, the journal and logs of a Linux, what imageport
left in it, and what the engine said. Read summary.txt first. The image is only read. Run the same
command again after a crash: it goes on.

Examples:

  imageport diagnostics failed.vhdx --output ./support

  imageport diagnostics failed.vmdk --output smb://files/support/ --credentials share.json

  imageport diagnostics failed.qcow2 --output ./support --no-engine-logs --dry-run
"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diagnostics", help=HELP)(diagnostics)


def diagnostics(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    source: Annotated[
        str, typer.Argument(help="Disk image: raw, VHD, VHDX, VMDK or qcow2; a path or an address.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="A folder, or smb://host/share/folder/.")
    ],
    source_credentials: SourceCredentials = None,
    credentials: ShareCredentials = None,
    engine_logs: Annotated[bool, typer.Option(help="What the engine said meanwhile.")] = True,
    system_logs: Annotated[
        bool, typer.Option(help="The image's own: event logs, or journal and /var/log.")
    ] = True,
    own_data: Annotated[
        bool, typer.Option(help="What imageport knows of the image and left in it.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at source and folder; collect nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """See HELP."""
    with edge(as_json=as_json):
        wants = DiagnosticsWants(engine_logs, system_logs, own_data)
        request = DiagnosticsRequest(absolute(source), absolute(output), wants)
        from imageport.jobs.diagnostics import (  # noqa: PLC0415  # DBOS takes a second to import
            collect_diagnostics,
            plan_diagnostics,
        )

        reached = ends(source_credentials, credentials)
        if dry_run:
            _print_plan(plan_diagnostics(request, reached), as_json=as_json)
            return
        with reporter() as steps:
            done = collect_diagnostics(request, reached, steps)
        _print_done(done, as_json=as_json)


def _print_plan(plan: DiagnosticsPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(TypeAdapter(DiagnosticsPlan).dump_python(plan, mode="json"))
        return
    print_facts(
        [
            ("Source", plan.source),
            ("Folder", plan.folder),
            ("Parts", ", ".join(plan.parts) or "none"),
            ("Room", f"{decimal(plan.free)} free; the image gives {decimal(plan.most)} at most"),
        ]
    )


def _print_done(done: Diagnostics, *, as_json: bool) -> None:
    if as_json:
        print_json(TypeAdapter(Diagnostics).dump_python(done, mode="json"))
        return
    size = sum(file.size for file in done.files)
    facts = [("Found", ", ".join(done.systems) or "no operating system")]
    facts += [("Problem", problem) for problem in done.problems]
    facts.append(("Collected", f"{len(done.files)} files, {decimal(size)}"))
    facts.append(("Read first", f"{done.folder}/summary.txt"))
    print_facts(facts)
