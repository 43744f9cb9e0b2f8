"""`imageport upgrade-pvs`: what it asks for, and what it says where there is nothing to do."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from imageport.cli import upgrade_pvs
from imageport.cli.main import application
from imageport.jobs.blockers import nothing_to_do, refuse_blockers
from imageport.jobs.ends import HERE, Ends
from imageport.jobs.errors import Blocked, NothingToDo, UpgradeBlocked
from imageport.model.findings import Finding, Severity
from imageport.model.job import MigrateRequest
from imageport.model.target import Firmware, Provisioning, Target
from imageport.model.wishes import GuestWishes, Operation

THERE = Finding("guest.pvs-there-already", Severity.INFO, "It is there.", "Nothing to do.")
BLOCKER = Finding("guest.pvs-downgrade", Severity.BLOCKER, "It is newer.", "Take it.")
WARNING = Finding("guest.low-space", Severity.WARNING, "It is full.", "Empty it.")


class Said:
    """A reporter that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step_started(self, name: str, title: str) -> None:
        raise AssertionError(name, title)

    def step_done(self, name: str, seconds: float) -> None:
        raise AssertionError(name, seconds)

    def progress(self, done: float, total: float, what: str) -> None:
        raise AssertionError(done, total, what)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def command(self, name: str) -> AbstractContextManager[str | None]:
        raise AssertionError(name)


def asked(tmp_path: Path, **more: Any) -> MigrateRequest:
    usual: dict[str, Any] = {
        "source": str(tmp_path / "win.vhdx"),
        "target": Target.VSPHERE,
        "output": str(tmp_path / "win.1.avhdx"),
        "provisioning": Provisioning.PVS,
        "components": str(tmp_path),
        "wishes": GuestWishes(install_pvs="2402"),
        "try_untouched": False,
        "operation": Operation.UPGRADE_PVS,
    }
    return MigrateRequest(**(usual | more))


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ((), {}),
        (("--on", "ahv"), {"target": Target.AHV}),
        (("--downgrade",), {"wishes": GuestWishes(install_pvs="2402", pvs_downgrade=True)}),
        (("--ignore-lock",), {"ignore_lock": True}),
        (("--firmware", "bios"), {"firmware": Firmware.BIOS}),
        (("--boot-timeout", "60"), {"boot_seconds": 60.0}),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    more: dict[str, Any],
    dry_run: bool,
) -> None:
    seen: list[tuple[MigrateRequest, dict[str, bool]]] = []
    monkeypatch.setattr(
        upgrade_pvs, "run_or_plan", lambda request, _, **rest: seen.append((request, rest))
    )
    arguments = command(tmp_path, *options, *(["--dry-run"] if dry_run else []))
    done = CliRunner().invoke(application("upgrade-pvs"), arguments)
    assert done.exit_code == 0, done.output
    assert seen == [(asked(tmp_path, **more), {"dry_run": dry_run, "as_json": False})]


def command(folder: Path, *options: str) -> list[str]:
    named = ["--components", str(folder), "--pvs-version", "2402"]
    output = ["--output", str(folder / "win.1.avhdx")]
    return ["upgrade-pvs", str(folder / "win.vhdx"), *named, *output, *options]


@pytest.mark.parametrize("as_json", [True, False])
def test_nothing_to_do_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    def idle(request: MigrateRequest, ends: Ends, **_: bool) -> None:
        assert ends == HERE
        refuse_blockers((WARNING, THERE), request, Said())

    monkeypatch.setattr(upgrade_pvs, "run_or_plan", idle)
    arguments = command(tmp_path, *(["--json"] if as_json else []))
    done = CliRunner().invoke(application("upgrade-pvs"), arguments)
    assert done.exit_code == 0
    assert "It is there. Nothing was done" in " ".join(done.output.split())
    if as_json:
        assert json.loads(done.output)["nothing_to_do"]["code"] == NothingToDo.code


def test_what_findings_mean(tmp_path: Path) -> None:
    said = Said()
    refuse_blockers((WARNING,), asked(tmp_path), said)
    assert said.lines == ["Warning: It is full. Empty it."]
    with pytest.raises(UpgradeBlocked, match="cannot be upgraded: It is newer"):
        refuse_blockers((BLOCKER, THERE), asked(tmp_path), said)
    migration = asked(tmp_path, operation=Operation.MIGRATE)
    with pytest.raises(Blocked, match="cannot be migrated to vsphere"):
        refuse_blockers((BLOCKER,), migration, said)
    assert nothing_to_do((WARNING, BLOCKER)) is None
