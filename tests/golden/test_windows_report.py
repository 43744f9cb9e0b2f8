"""`imageport inspect` of the phony Windows, as a person reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from imageport.cli.views import inspection_view, look_view
from imageport.cli.windows_view import windows_rows
from imageport.guest.inspect import inspect
from imageport.jobs.look import Look
from imageport.jobs.source import SourceFacts
from imageport.model.findings import Severity
from imageport.model.target import DiskFormat
from imageport.model.windows_facts import CitrixPart
from lab.guests.windows_spec import Agent, Product, State, Tools, Vda, WindowsMaster
from tests.golden.trees import windows_tree


def rows(folder: Path, master: WindowsMaster) -> list[tuple[str, str]]:
    facts = inspect(windows_tree(folder, master)).windows
    assert facts is not None
    return list(windows_rows(facts))


def test_report_of_a_rich_master(tmp_path: Path) -> None:
    master = WindowsMaster(
        product=Product.WINDOWS_11,
        tools=Tools.NUTANIX,
        vda=Vda.LTSR_2203,
        components=(CitrixPart.MISA, CitrixPart.MCSIO),
        agents=(Agent.SSM,),
        joined=True,
    )
    found = rows(tmp_path, master)
    assert [row for row in found if row[0] not in ("Boot-start", "Class filters")] == [
        ("Build", "22631.1607, Enterprise, Client"),
        ("Control set", "ControlSet001"),
        ("Boot entry", r"Windows: \Windows\system32\winload.efi, default"),
        ("Driver package", "oem2.inf (imageport lab)"),
        ("Driver package", "oem3.inf (imageport lab)"),
        ("Driver package", "oem4.inf (imageport lab)"),
        ("Agent", "SSM agent 3.2.2016.0"),
        ("Agent", "Nutanix Guest Tools 4.1.0"),
        ("Citrix", "vda 2203.0.5000.5100, misa 7.33.5000.12, mcsio 7.33.5000.12"),
        ("Controllers", "ddc1.corp.example, ddc2.corp.example"),
        ("Antivirus", "Windows' own"),
        ("Domain", "corp.example as MASTER01$"),
        ("State", "complete, nothing pending"),
        ("Page file", r"?:\pagefile.sys"),
    ]
    (boot,) = (text for name, text in found if name == "Boot-start")
    assert {"disk", "vioscsi"} <= set(boot.split(", "))


@pytest.mark.parametrize(
    ("state", "row"),
    [
        (State.FAST_STARTUP, ("State", "fast startup on")),
        (State.PENDING_RESTART, ("State", "waits for a restart")),
        (State.PENDING_UPDATES, ("State", "updates half installed, waits for a restart")),
        (State.GENERALIZED, ("State", "setup generalized")),
        (State.COMPACT_OS, ("State", "CompactOS")),
        (State.WINDOWS_TO_GO, ("State", "Windows To Go")),
        (State.DRIVERS_FORBIDDEN, ("Driver policy", "listed devices only")),
        (State.SIGNED_SCRIPTS, ("PowerShell", "AllSigned (group policy)")),
        (State.CONSTRAINED_LANGUAGE, ("PowerShell", "ConstrainedLanguage")),
        (State.APPLICATION_CONTROL, ("AppLocker", "Script")),
        (State.ANTIVIRUS, ("Antivirus", "Symantec Endpoint Protection")),
        (State.ENTRA_JOINED, ("Entra ID", "72f988bf-0000-4000-8000-2d7cd011db47")),
        (
            State.PAGE_FILE_ELSEWHERE,
            ("Page file", r"E:\pagefile.sys, 4096 to 8192 MiB, on another disk"),
        ),
    ],
)
def test_report_tells_the_state(tmp_path: Path, state: State, row: tuple[str, str]) -> None:
    assert row in rows(tmp_path / "bad", WindowsMaster(state=state))
    assert row not in rows(tmp_path / "good", WindowsMaster())


def test_brackets_are_text(tmp_path: Path) -> None:
    """What an image holds is shown, never taken as mark-up."""
    inspection = inspect(windows_tree(tmp_path, WindowsMaster()))
    assert inspection.windows is not None
    odd = replace(
        inspection,
        hostname="[red]host",
        windows=replace(inspection.windows, antivirus=("[bold]shield[/bold]",)),
    )
    console = Console(width=300)
    with console.capture() as shown:
        console.print(inspection_view(odd))
    text = shown.get()
    assert "Windows Server 2022 Standard 21H2 (10.0.20348, x86_64)" in text
    assert "[red]host" in text
    assert "[bold]shield[/bold]" in text


def test_what_blocks_is_shown_first(tmp_path: Path) -> None:
    inspection = inspect(
        windows_tree(tmp_path, WindowsMaster(state=State.DRIVERS_FORBIDDEN, joined=True))
    )
    source = SourceFacts(DiskFormat.QCOW2, 2, 1, 1, "", inspection.firmware)
    found = tuple(reversed(inspection.findings))
    console = Console(width=300)
    with console.capture() as shown:
        console.print(look_view(Look(source, inspection, found, ())))
    words = [line.split()[0] for line in shown.get().splitlines() if line.strip()]
    graded = [word for word in words if word in list(Severity)]
    assert graded == ["blocker", "warning", "info"]
