"""How results look to a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from imageport.cli.windows_view import windows_rows
from imageport.jobs.look import Look
from imageport.jobs.proof import proof_place
from imageport.model.conversion import ConversionPlan
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, Inspection
from imageport.model.job import ConvertRequest, MigrateRequest
from imageport.model.proof import BootTrial, ConversionProof, DiskProof, Proof, Verdict
from imageport.model.wishes import Operation

_COLOURS = {Severity.INFO: "blue", Severity.WARNING: "yellow", Severity.BLOCKER: "red"}

_WORST_FIRST = (Severity.BLOCKER, Severity.WARNING, Severity.INFO)


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
    facts.add_row("Proof", proof_place(proof.output.path))
    done = "Upgraded" if proof.request.operation is Operation.UPGRADE_PVS else "Migrated"
    return Group(Text(f"{done}, booted and verified", style="bold green"), facts)


def conversion_view(proof: ConversionProof) -> RenderableType:
    """The proof of a conversion on one screen."""
    done = proof.conversion
    facts = _grid()
    facts.add_row("Source", _disk(proof.source))
    facts.add_row("Child", _disk(proof.output))
    for each in done.layout.partitions:
        size = decimal(each.sectors * 512)
        facts.add_row("Partition", f"{each.number}: {each.role}, {size}, {each.unique}")
    good = sum(check.passed for check in done.checks)
    facts.add_row("Changes", f"{len(done.changes)} made, {good} of {len(done.checks)} checks good")
    facts.add_row("Took", ", ".join(f"{name} {took:.0f} s" for name, took in proof.seconds.items()))
    facts.add_row("Proof", proof_place(proof.output.path))
    return Group(Text("Converted and verified", style="bold green"), facts)


def conversion_plan_view(request: ConvertRequest, plan: ConversionPlan) -> RenderableType:
    """What a conversion's dry run prints."""
    blocked = plan.layout is None
    end = "This would be refused." if blocked else "Nothing was changed."
    return Group(
        Text(f"Plan: {request.source} to UEFI -> {request.output}", style="bold"),
        _findings(plan.findings),
        _changes(plan.changes),
        Text(end, style="bold red" if blocked else "bold green"),
    )


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
    end = "This would be refused." if blocked else "Nothing was changed."
    return Group(
        Text(f"Plan: {_wanted(request)} -> {request.output}", style="bold"),
        inspection_view(look.inspection),
        _findings(look.findings),
        _changes(look.plan),
        Text(end, style="bold red" if blocked else "bold green"),
    )


def _wanted(request: MigrateRequest) -> str:
    if request.operation is Operation.UPGRADE_PVS:
        return f"{request.source} with target device {request.wishes.install_pvs}"
    return f"{request.source} to {request.target}"


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
    """An image's content. What it holds is text: brackets in it are no mark-up."""
    facts = _grid()
    for name, value in _rows(inspection):
        facts.add_row(name, Text(value))
    return facts


def _rows(inspection: Inspection) -> Iterator[tuple[str, str]]:
    yield "OS", f"{inspection.name} ({inspection.version}, {inspection.architecture})"
    yield "Host name", inspection.hostname or "-"
    yield "Firmware", inspection.firmware.upper()
    for volume in inspection.volumes:
        label = f" {volume.label}" if volume.label else ""
        free = "" if volume.free is None else f", {decimal(volume.free)} free"
        name = volume.name or volume.number
        yield "Volume", f"{name}: {volume.kind}{label}, {decimal(volume.size)}{free}"
    for product in inspection.products:
        yield "Software", f"{product.name} {product.version or ''} ({product.kind})"
    for line in inspection.network:
        yield "Network", line
    drivers = [driver.name for driver in inspection.boot_drivers if driver.boot_start]
    yield "Boot drivers", ", ".join(drivers) or "none"
    for name, value in inspection.details.items():
        yield name.replace("-", " ").capitalize(), value
    yield from windows_rows(inspection.windows) if inspection.windows else ()


def _findings(findings: tuple[Finding, ...]) -> RenderableType:
    table = _grid()
    for found in sorted(findings, key=lambda each: _WORST_FIRST.index(each.severity)):
        colour = _COLOURS[found.severity]
        said = Text(f"{found.sentence} {found.remedy}")
        table.add_row(Text(found.severity, style=colour), said)
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
