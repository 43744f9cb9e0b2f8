"""Citrix's options of a preparation: what they refuse, plan, and leave for the first boot."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from imageport.guest.errors import BlockedError
from imageport.guest.fixup import Step, Task
from imageport.guest.fixups import steps
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.plan import findings, plan
from imageport.guest.prepare import prepare
from imageport.model.findings import Severity
from imageport.model.guest import Inspection, OsFamily, PrepareOptions
from imageport.model.target import PROFILES, Provisioning, Target
from imageport.model.windows_facts import CitrixPart
from imageport.model.wishes import XdParameter
from lab.guests.windows_spec import Vda, WindowsMaster
from tests.golden.trees import windows_tree

AZURE = PROFILES[Target.AZURE]
FILES = Path("ProgramData/imageport/first-boot/files")
BARE = WindowsMaster(components=(), static_address=False)


@pytest.fixture
def source(tmp_path: Path) -> str:
    folder = tmp_path / "components"
    for name in (
        "1912/MachineIdentityServiceAgent_x64.msi",
        "7.33.5000/MachineIdentityServiceAgent_x64.msi",
        "2402/MachineIdentityServiceAgent_x64.msi",
        "2402/MachineIdentityServiceAgent_x86.msi",
        "2402/MCSIO_x64.msi",
        "PVS_Device_x64_2402.exe",
        "PVS_Device_x64_2407.exe",
        "2402/VDAServerSetup_2402.exe",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return str(folder)


def looked(folder: Path, **asked: Any) -> Inspection:
    return inspect(windows_tree(folder, dataclasses.replace(BARE, **asked)))


def codes(inspection: Inspection, **options: Any) -> dict[str, Severity]:
    usual = {each.code for each in findings(inspection, AZURE, PrepareOptions())}
    found = findings(inspection, AZURE, PrepareOptions(**options))
    return {each.code: each.severity for each in found if each.code not in usual}


def planned(inspection: Inspection, **options: Any) -> dict[str, Step]:
    task = Task(inspection, AZURE, PrepareOptions(**options))
    found = {step.name: step for step in steps(OsFamily.WINDOWS, task)}
    usual = steps(OsFamily.WINDOWS, Task(inspection, AZURE, PrepareOptions()))
    return {name: step for name, step in found.items() if name not in {s.name for s in usual}}


def prepared(guest: Guest, **options: Any) -> None:
    prepare(guest, inspect(guest), AZURE, PrepareOptions(**options), lambda *_: None)


@pytest.mark.parametrize(
    ("vda", "taken"),
    [
        (Vda.LTSR_1912, "1912/MachineIdentityServiceAgent_x64.msi"),
        (Vda.LTSR_2203, "7.33.5000/MachineIdentityServiceAgent_x64.msi"),
        (Vda.CURRENT, "2402/MachineIdentityServiceAgent_x64.msi"),
    ],
)
def test_misa_of_the_vdas_own_release(tmp_path: Path, source: str, vda: Vda, taken: str) -> None:
    guest = windows_tree(tmp_path / "guest", dataclasses.replace(BARE, vda=vda))
    asked: dict[str, Any] = {"install_misa": True, "components": source}
    assert codes(inspect(guest), **asked) == {}
    prepared(guest, **asked)
    assert (guest.root / FILES / "misa/setup.msi").read_text() == taken
    step = planned(inspect(guest), **asked)["install-misa"]
    assert step.required
    assert r'msiexec /i "%files%\misa\setup.msi" /qn /norestart' in step.script
    assert 'if "%code%"=="3010" exit /b 3010' in step.script, "the next step comes after a restart"


def test_nothing_is_done_where_the_part_is_there(tmp_path: Path, source: str) -> None:
    there = looked(tmp_path, components=(CitrixPart.MISA, CitrixPart.MCSIO))
    asked: dict[str, Any] = {"install_misa": True, "install_mcsio": True}
    assert codes(there, **asked) == {}
    assert planned(there, **asked) == {}
    forced = planned(there, force_misa=True, force_mcsio=True, components=source)
    assert list(forced) == ["install-misa", "install-mcsio"]


@pytest.mark.parametrize("option", ["install_misa", "install_mcsio"])
def test_parts_of_mcs_need_mcs(tmp_path: Path, source: str, option: str) -> None:
    inspection = looked(tmp_path)
    asked = {option: True, "components": source, "provisioning": Provisioning.PVS}
    assert codes(inspection, **asked) == {"guest.citrix-needs-mcs": Severity.BLOCKER}


def test_a_missing_installer_is_said_before_any_work(tmp_path: Path, source: str) -> None:
    inspection = looked(tmp_path / "a", vda=Vda.LTSR_2203)
    missing = {"guest.component-missing": Severity.BLOCKER}
    assert codes(inspection, install_mcsio=True, components=source) == missing
    assert codes(inspection, install_misa=True) == missing, "no source at all"
    guest = windows_tree(tmp_path / "b", BARE)
    with pytest.raises(BlockedError) as refused:
        prepared(guest, install_pvs="2411", components=source)
    assert "2411" in refused.value.message
    assert not (guest.root / "ProgramData/imageport").exists()


def test_an_unsupported_vda_is_a_warning_and_a_step_that_fails(tmp_path: Path, source: str) -> None:
    asked: dict[str, Any] = {"install_misa": True, "components": source}
    inspection = looked(tmp_path / "none", vda=Vda.NONE)
    assert codes(inspection, **asked) == {"guest.vda-unsupported": Severity.WARNING}
    step = planned(inspection, **asked)["install-misa"]
    assert not step.required
    assert step.script.endswith("exit /b 1")
    guest = windows_tree(tmp_path / "old", BARE)
    facts = inspect(guest).windows
    assert facts is not None
    vda = facts.component(CitrixPart.VDA)
    assert vda is not None
    old = dataclasses.replace(
        inspect(guest),
        windows=dataclasses.replace(facts, citrix=(dataclasses.replace(vda, version="7.15.1"),)),
    )
    assert codes(old, **asked) == {"guest.vda-unsupported": Severity.WARNING}
    prepare(guest, old, AZURE, PrepareOptions(**asked), lambda *_: None)
    assert not (guest.root / FILES / "misa").exists(), "it would only lie there"


@pytest.mark.parametrize(
    ("installed", "wanted", "taken"),
    [
        (False, "2402", "PVS_Device_x64_2402.exe"),
        (False, "7.41", "PVS_Device_x64_2402.exe"),
        (True, "2407", "PVS_Device_x64_2407.exe"),
        (True, "7.41.100", None),
    ],
)
def test_pvs_in_the_version_asked_for(
    tmp_path: Path, source: str, installed: bool, wanted: str, taken: str | None
) -> None:
    parts = (CitrixPart.PVS_TARGET,) if installed else ()
    guest = windows_tree(tmp_path / "guest", dataclasses.replace(BARE, components=parts))
    asked: dict[str, Any] = {
        "install_pvs": wanted,
        "components": source,
        "provisioning": Provisioning.PVS,
    }
    assert codes(inspect(guest), **asked) == {}
    prepared(guest, **asked)
    place = guest.root / FILES / "pvs-target-device/setup.exe"
    assert (place.read_text() if place.exists() else None) == taken


def test_xd_reconfigure(tmp_path: Path) -> None:
    inspection = looked(tmp_path)
    asked = (
        XdParameter("controllers", "ddc1.corp.example,ddc2.corp.example"),
        XdParameter("portnumber", "80"),
        XdParameter("enable_hdx_ports"),
    )
    assert codes(inspection, xd_reconfigure=asked) == {}
    step = planned(inspection, xd_reconfigure=asked)["xd-reconfigure"]
    assert step.required
    assert (
        r'XenDesktopVdaSetup.exe" /reconfigure /quiet /noreboot '
        r'/controllers "ddc1.corp.example ddc2.corp.example" /portnumber "80" /enable_hdx_ports'
    ) in step.script
    changes = plan(inspection, AZURE, PrepareOptions(xd_reconfigure=asked))
    assert [(c.before, c.after) for c in changes if c.fixup == "xd-reconfigure"] == [
        ("ddc1.corp.example ddc2.corp.example", "ddc1.corp.example,ddc2.corp.example"),
        (None, "80"),
        (None, "on"),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        (XdParameter("controllers", "a"), XdParameter("site_guid", "b")),
        (XdParameter("masterimage"),),
        (XdParameter("controllers", "a & del"),),
        (XdParameter("wem_server", ""),),
    ],
)
def test_xd_reconfigure_is_refused(tmp_path: Path, asked: tuple[XdParameter, ...]) -> None:
    refused = {"guest.xd-reconfigure": Severity.BLOCKER}
    assert codes(looked(tmp_path / "a"), xd_reconfigure=asked) == refused


def test_xd_reconfigure_needs_a_vda(tmp_path: Path) -> None:
    asked = (XdParameter("portnumber", "80"),)
    found = codes(looked(tmp_path, vda=Vda.NONE), xd_reconfigure=asked)
    assert found == {"guest.xd-reconfigure": Severity.BLOCKER}


def test_domain_unjoin_has_its_guard(tmp_path: Path) -> None:
    member = looked(tmp_path / "member", joined=True)
    guarded = {"guest.unjoin-not-isolated": Severity.BLOCKER}
    assert codes(member, domain_unjoin=True) == guarded
    for safe in ({"isolated": True}, {"unjoin_anyway": True}):
        assert codes(member, domain_unjoin=True, **safe) == {}
        step = planned(member, domain_unjoin=True, **safe)["domain-unjoin"]
        assert step.required
        assert "FUnjoinOptions=[uint32]0" in step.script, "0: the account stays as it is"
    alone = looked(tmp_path / "alone")
    assert codes(alone, domain_unjoin=True) == {}
    assert planned(alone, domain_unjoin=True) == {}, "there is nothing to leave"


def test_chkdsk_and_defrag_come_last(tmp_path: Path, source: str) -> None:
    inspection = looked(tmp_path)
    asked: dict[str, Any] = {
        "chkdsk": True,
        "defrag": True,
        "install_misa": True,
        "components": source,
    }
    task = Task(inspection, AZURE, PrepareOptions(**asked))
    names = [step.name for step in steps(OsFamily.WINDOWS, task)]
    assert names[-2:] == ["chkdsk", "defrag"]
    found = planned(inspection, **asked)
    assert not found["chkdsk"].required
    assert not found["defrag"].required
