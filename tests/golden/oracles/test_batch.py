"""Wine's cmd runs the batch files of a Windows guest's first boot."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from imageport.guest.first_boot import collect, goes_on, installed
from imageport.guest.fixup import Task
from imageport.guest.fixups import steps
from imageport.guest.fixups.windows.check_disk import CheckDisk
from imageport.guest.fixups.windows.domain_unjoin import DomainUnjoin
from imageport.guest.fixups.windows.driver_package import install_step
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.prepare import prepare
from imageport.guest.windows import runner
from imageport.guest.windows.installer import msi, program, remove
from imageport.model.guest import FirstBootReport, Inspection, OsFamily, PrepareOptions
from imageport.model.target import PROFILES, Provisioning, Target
from imageport.model.wishes import XdParameter
from lab.guests.windows_spec import Product, Tools, WindowsMaster
from tests.golden.oracles.programs import said
from tests.golden.oracles.wine import RESTART, UNKNOWN, Machine, Ran, machine, noting_program
from tests.golden.trees import windows_tree
from tests.golden.windows_matrix import Sources

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wine")]

NO_TASK = cast("Task", None)
"""For steps that are the same whatever the task is."""
FIRST_BOOT = Path("ProgramData/imageport/first-boot")
ADDRESS = "   IPv4 Address. . . . . . . . . . . : 10.0.2.15"
XD_SETUP = Path("Program Files/Citrix/XenDesktopVdaSetup/XenDesktopVdaSetup.exe")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("wine")) as made:
        yield made


@pytest.fixture
def wine(prefix: Machine) -> Machine:
    prefix.reset()
    prefix.answer("ipconfig", f"Ethernet adapter Ethernet:\n{ADDRESS}")
    prefix.answer("powershell", "42")
    return prefix


def everything(sources: Sources, provisioning: Provisioning) -> PrepareOptions:
    return dataclasses.replace(
        sources.options(provisioning),
        xd_reconfigure=(
            XdParameter("controllers", "one.corp.example,two.corp.example"),
            XdParameter("enable_hdx_ports", ""),
        ),
        domain_unjoin=True,
        isolated=True,
        enable_rdp=True,
        chkdsk=True,
        defrag=True,
    )


def brought(wine: Machine, guest: Guest) -> Guest:
    """The guest whose volume is Wine's C:, with what a preparation left for the first boot."""
    place = wine.drive / "ProgramData/imageport"
    shutil.copytree(guest.root / "ProgramData/imageport", place)
    (wine.drive / XD_SETUP).parent.mkdir(parents=True, exist_ok=True)
    for installer in (*place.rglob("*.exe"), wine.drive / XD_SETUP):
        installer.write_bytes(noting_program())
    return dataclasses.replace(guest, root=wine.drive)


def first_boots(wine: Machine, guest: Guest) -> tuple[FirstBootReport, int]:
    """Start the machine until the runner is done; the report, and how often it was started."""
    for count in range(1, 10):
        wine.boot(runner.IMAGE_PATH)
        report = collect(guest)
        assert report is not None
        if report.complete:
            return report, count
    raise AssertionError("it never ends")


@pytest.mark.parametrize("provisioning", list(Provisioning))
@pytest.mark.parametrize("target", list(Target))
def test_the_whole_runner(
    tmp_path: Path, wine: Machine, target: Target, provisioning: Provisioning
) -> None:
    tools = Tools.NUTANIX if target is Target.VSPHERE else Tools.VMWARE
    master = WindowsMaster(
        product=list(Product)[list(Target).index(target) % len(Product)],
        tools=tools, components=(), joined=True,
    )  # fmt: skip
    made = windows_tree(tmp_path / "guest", master)
    options = everything(Sources.below(tmp_path / "sources"), provisioning)
    before = inspect(made)
    prepare(made, before, PROFILES[target], options, lambda *_: None)
    planned = [s.name for s in steps(OsFamily.WINDOWS, Task(before, PROFILES[target], options))]
    guest = brought(wine, made)
    assert installed(guest)
    wine.answer("powershell", "0")
    wine.answer("msiexec", "installed", code=3010)
    wine.answer("XenDesktopVdaSetup", code=3)

    report, boots = first_boots(wine, guest)

    wanted = {"domain-unjoin", "install-misa", "install-mcsio", "xd-reconfigure"}
    assert boots == 1 + len(wanted & set(planned)), f"each asks for a restart: {report}"
    assert report.restarts == boots - 1
    assert [step.name for step in report.steps] == planned
    codes = {step.name: step.exit_code for step in report.steps}
    assert codes == {name: runner.RESTART if name in wanted else 0 for name in planned}
    assert [s.output for s in report.steps if any(word in s.output for word in UNKNOWN)] == []
    assert report.facts == {
        "root": "C:",
        "boot-driver": "0",
        "powershell": "0",
        "address": "10.0.2.15",
        "uptime": "0",
    }, "Wine's ver has no brackets, so that there is no kernel"
    calls = wine.calls()
    assert calls[-2:] == [f"sc delete {runner.SERVICE}", RESTART]
    assert calls.count(RESTART) == boots
    called = {call.split()[0] for call in calls}
    assert called >= {"XenDesktopVdaSetup", "powercfg", "chkdsk", "defrag"}
    products = any(name.startswith(("remove-", "install-mi", "install-mc")) for name in planned)
    assert ("msiexec" in called) == products
    assert ("setup" in called) == (provisioning is Provisioning.PVS)
    assert not (wine.drive / "ProgramData/imageport").exists()
    assert said("parse_powershell.py", *powershell(calls)) == ""


def powershell(calls: list[str]) -> set[str]:
    """The commands that PowerShell was given."""
    matches = (re.fullmatch(r'powershell .*-Command "(.*)"', call) for call in calls)
    found = {match[1] for match in matches if match}
    assert len(found) == len({call for call in calls if call.startswith("powershell")})
    return found


def test_what_is_not_powershell_is_seen() -> None:
    good, bad = "(Get-CimInstance X).Name -join ','", "(Get-CimInstance X.Name -join ','"
    assert said("parse_powershell.py", good, bad) == f"{bad}\n"


def test_what_stopped_the_machine_is_not_run_again(wine: Machine, tmp_path: Path) -> None:
    guest, _ = waiting(wine, tmp_path)
    (guest.root / FIRST_BOOT / "running").mkdir()
    (guest.root / FIRST_BOOT / "running/005-killer.cmd").write_text("msiexec /killer\r\n")
    report, _ = first_boots(wine, guest)
    assert (report.steps[0].name, report.steps[0].exit_code) == ("killer", runner.CUT_OFF)
    assert not [call for call in wine.calls() if "killer" in call]


def test_a_restart_between_steps(wine: Machine, tmp_path: Path) -> None:
    guest, before = waiting(wine, tmp_path)
    text = runner.step_text(f"echo before\nexit /b {runner.RESTART}")
    (guest.root / FIRST_BOOT / "steps/001-first.cmd").write_text(text, newline="")
    wine.boot(runner.IMAGE_PATH)
    assert goes_on(guest, before)
    wine.boot(runner.IMAGE_PATH)
    assert not goes_on(guest, before)
    report = collect(guest)
    assert report is not None
    assert report.complete
    assert report.restarts == 1
    assert (report.steps[0].exit_code, report.steps[0].output) == (runner.RESTART, "before")


def test_facts_that_cannot_be_had_are_left_out(wine: Machine, tmp_path: Path) -> None:
    guest, _ = waiting(wine, tmp_path)
    wine.answer("powershell", code=1)
    wine.answer("ipconfig", "Media State . . . : disconnected")
    report, boots = first_boots(wine, guest)
    assert (boots, report.facts) == (1, {"root": "C:"})
    assert wine.calls().count("ipconfig") == 20, "Wine leaves out what follows an empty for /f"


def waiting(wine: Machine, folder: Path) -> tuple[Guest, Inspection]:
    """A guest whose first boot is to come, and what it was before."""
    made = windows_tree(folder, WindowsMaster(tools=Tools.NONE))
    before = inspect(made)
    prepare(made, before, PROFILES[Target.XENSERVER], PrepareOptions(), lambda *_: None)
    return brought(wine, made), before


@pytest.mark.parametrize(
    ("script", "program", "ends"),
    [
        (remove("{1}"), "msiexec", {0: 0, 1605: 0, 1614: 0, 1641: 0, 3010: 0, 1603: 1603}),
        (msi("x.msi"), "msiexec", {0: 0, 1638: 0, 1641: 0, 3010: 0, 1618: 1618}),
        (msi("x.msi", restart=True), "msiexec", {0: 0, 1638: 0, 1641: 3010, 3010: 3010, 5: 5}),
        (program("defrag.exe", "/S"), "defrag", {0: 0, 1638: 0, 1641: 0, 3010: 0, 3: 3}),
        (
            program("defrag.exe", "/S", restart=True, restart_codes=(3,)),
            "defrag",
            {0: 0, 1638: 0, 1641: 3010, 3010: 3010, 3: 3010, 4: 4},
        ),
        (CheckDisk().steps(NO_TASK)[0].script, "chkdsk", {0: 0, 1: 0, 2: 2, 3: 3}),
    ],
    ids=["remove", "msi", "msi-restart", "program", "program-restart", "chkdsk"],
)
def test_how_a_step_ends(wine: Machine, script: str, program: str, ends: dict[int, int]) -> None:
    for code, end in ends.items():
        wine.answer(program, code=code)
        assert wine.run(runner.step_text(script)) == Ran(end, ""), code
    called = [call.split()[0] for call in wine.calls()]
    assert called == [program] * len(ends)


def test_how_drivers_are_installed(wine: Machine) -> None:
    drivers = wine.drive / "drivers"
    for name in ("one", "two"):
        (drivers / name).mkdir(parents=True)
    script = runner.step_text(install_step("drivers", ["one", "two", "three"]).script)
    for code, end in {0: 0, 259: 0, 3010: 0, 1641: 0, 5: 5}.items():
        wine.answer("pnputil", code=code)
        assert wine.run(script) == Ran(end, "")
    calls = wine.calls()
    assert len(calls) == 10, "and none for the package that was not staged"
    assert re.fullmatch(r'pnputil /add-driver ".*\\drivers\\one\\\*\.inf" /install', calls[0])


@pytest.mark.parametrize(
    ("by_powershell", "by_wmic", "end"),
    [
        ("0", None, 3010),
        ("2692", None, 0),
        ("1355", None, 1355),
        ("", "        ReturnValue = 0;", 3010),
        ("", "        ReturnValue = 5;", 5),
        ("", "ERROR", 1),
    ],
)
def test_how_a_domain_is_left(
    wine: Machine, by_powershell: str, by_wmic: str | None, end: int
) -> None:
    wine.answer("powershell", by_powershell)
    wine.answer("wmic", by_wmic or "")
    wine.answer("findstr", 'find "ReturnValue"', raw=True)
    (step,) = DomainUnjoin().steps(NO_TASK)
    assert wine.run(runner.step_text(step.script)).code == end
    assert ("wmic" in {call.split()[0] for call in wine.calls()}) == (by_wmic is not None)


def test_what_is_not_batch_is_seen(wine: Machine) -> None:
    ran = wine.run("@echo off\r\nno-such-program /x\r\nexit /b 3\r\n")
    assert ran.code == 3
    assert any(word in ran.output for word in UNKNOWN), ran.output
