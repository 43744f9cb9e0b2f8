"""How results look to a person."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from imageport.jobs.look import Look
from imageport.jobs.preflight import proof_folder
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, Inspection
from imageport.model.job import MigrateRequest
from imageport.model.proof import BootTrial, DiskProof, Proof, Verdict

_COLOURS = {Severity.INFO: "blue", Severity.WARNING: "yellow", Severity.BLOCKER: "red"}


def proof_view(proof: Proof) -> RenderableType:
    """A proof on one screen."""
    facts = _grid()
    facts.add_row("Image", f"{proof.inspection.name}, {proof.inspection.firmware.upper()}")
    facts.add_row("Source", _disk(proof.source))
    facts.add_row("Output", _disk(proof.output))
    if proof.untouched:
        facts.add_row("Untouched", _trial(proof.untouched))
    facts.add_row("Prepared", _trial(proof.boot))
    for name, value in proof.first_boot.facts.items():
        facts.add_row("", Text(f"{name}: {value}", style="dim"))
    good = sum(check.passed for check in proof.checks_after_boot)
    facts.add_row(
        "Changes",
        f"{len(proof.preparation.changes)} made, {len(proof.preparation.checks)} checks after "
        f"applying, {good} of {len(proof.checks_after_boot)} checks right after the boot",
    )
    facts.add_row("Took", ", ".join(f"{name} {took:.0f} s" for name, took in proof.seconds.items()))
    facts.add_row("Proof", str(proof_folder(Path(proof.output.path))))
    return Group(Text("Migrated, booted and verified", style="bold green"), facts)


def _disk(disk: DiskProof) -> Text:
    sizes = f"{decimal(disk.virtual_size)} virtual, {decimal(disk.file_size)} file"
    return Text(f"{disk.path}\n{disk.format}, {sizes}\ncontent hash {disk.root}", overflow="fold")


def _trial(trial: BootTrial) -> Text:
    colour = {Verdict.BOOTS: "green", Verdict.DOES_NOT_BOOT: "red"}.get(trial.verdict, "yellow")
    where = f" on {trial.hardware} ({trial.controller}) after {trial.seconds:.0f} s: {trial.reason}"
    return Text.assemble((trial.verdict.replace("-", " "), colour), where)


def plan_view(request: MigrateRequest, look: Look) -> RenderableType:
    """What a dry run prints."""
    blocked = any(found.severity is Severity.BLOCKER for found in look.findings)
    end = "The migration would be refused." if blocked else "Nothing was changed."
    return Group(
        Text(f"Plan: {request.source} to {request.target} -> {request.output}", style="bold"),
        inspection_view(look.inspection),
        _findings(look.findings),
        _changes(look.plan),
        Text(end, style="bold red" if blocked else "bold green"),
    )


def look_view(look: Look) -> RenderableType:
    """What `imageport inspect` prints."""
    source = look.source
    outside = (
        f"{source.format}, {decimal(source.virtual_size)} virtual, {decimal(source.data)} data"
    )
    return Group(
        Text(outside, style="dim"), inspection_view(look.inspection), _findings(look.findings)
    )


def inspection_view(inspection: Inspection) -> RenderableType:
    """An image's content."""
    facts = _grid()
    facts.add_row("OS", f"{inspection.name} ({inspection.version}, {inspection.architecture})")
    facts.add_row("Host name", inspection.hostname or "-")
    facts.add_row("Firmware", inspection.firmware.upper())
    for volume in inspection.volumes:
        label = f" {volume.label}" if volume.label else ""
        facts.add_row("Volume", f"{volume.number}: {volume.kind}{label}, {decimal(volume.size)}")
    for product in inspection.products:
        facts.add_row("Software", f"{product.name} {product.version or ''} ({product.kind})")
    for line in inspection.network:
        facts.add_row("Network", line)
    drivers = [driver.name for driver in inspection.boot_drivers if driver.boot_start]
    facts.add_row("Boot drivers", ", ".join(drivers) or "none")
    for name, value in inspection.details.items():
        facts.add_row(name.replace("-", " ").capitalize(), value)
    return facts


def _findings(findings: tuple[Finding, ...]) -> RenderableType:
    table = _grid()
    for found in findings:
        colour = _COLOURS[found.severity]
        table.add_row(Text(found.severity, style=colour), f"{found.sentence} {found.remedy}")
    return table


def _changes(changes: tuple[Change, ...]) -> RenderableType:
    table = Table(title=f"{len(changes)} changes", title_justify="left", box=None)
    for name in ("Fix-up", "Change", "Where"):
        table.add_column(name, overflow="fold")
    for change in changes:
        table.add_row(change.fixup, change.what, change.where)
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table
