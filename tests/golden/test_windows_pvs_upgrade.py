"""Another target device in a vDisk: what is refused, changed, and found out afterwards."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.plan import findings, plan
from imageport.guest.prepare import prepare, verify
from imageport.guest.windows.hive import Hive
from imageport.guest.windows.registry import hive_file
from imageport.model.findings import Severity
from imageport.model.guest import Inspection, PrepareOptions
from imageport.model.target import Controller, Firmware, Provisioning
from imageport.model.windows_facts import CitrixPart
from lab.guests.citrix_installers import pvs_installer
from lab.guests.windows_software import component_key
from lab.guests.windows_spec import Product
from tests.golden.pvs_upgrade import (
    EXPECTED,
    VDISK,
    VSPHERE,
    WANTED,
    booted,
    options,
    result,
    upgraded,
)
from tests.golden.trees import debian_tree, tree_hash, windows_tree

SERVICES = r"SYSTEM|ControlSet001\Services"


def vdisk(folder: Path) -> Guest:
    return windows_tree(folder, VDISK)


def said(inspection: Inspection, asked: PrepareOptions) -> dict[str, Severity]:
    """The codes that this operation adds to what an inspection finds."""
    usual = {each.code for each in inspection.findings}
    found = findings(inspection, VSPHERE, asked)
    return {each.code: each.severity for each in found if each.code not in usual}


@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("firmware", list(Firmware))
def test_plan_and_result(tmp_path: Path, product: Product, firmware: Firmware) -> None:
    expected = EXPECTED.read_text().splitlines()
    assert list(result(tmp_path, product, firmware)) == expected


def test_prepared_twice_is_once(tmp_path: Path) -> None:
    guest = vdisk(tmp_path / "guest")
    asked = options(str(pvs_installer(tmp_path / "source", WANTED)))
    prepare(guest, inspect(guest), VSPHERE, asked, lambda *_: None)
    once = tree_hash(guest.root)
    prepare(guest, inspect(guest), VSPHERE, asked, lambda *_: None)
    assert tree_hash(guest.root) == once


@pytest.mark.parametrize(
    ("version", "more", "code"),
    [
        ("7.30.0", {}, "guest.pvs-downgrade"),
        ("1912", {}, "guest.pvs-downgrade"),
        ("2407", {}, "guest.pvs-version-unclear"),
        ("newest", {}, "guest.pvs-version-unclear"),
        ("7.42", {}, "guest.component-missing"),
        (WANTED, {"controller": Controller.NVME}, "guest.pvs-own-disk"),
        (WANTED, {"controller": Controller.IDE}, "guest.pvs-own-disk"),
        (WANTED, {"controller": Controller.VIRTIO_SCSI}, "guest.pvs-own-disk"),
    ],
)
def test_refused(tmp_path: Path, version: str, more: dict[str, Any], code: str) -> None:
    source = pvs_installer(tmp_path / "source", WANTED)
    for each in ("7.30.0", "1912"):
        pvs_installer(source, each)
    asked = options(str(source), version, **more)
    assert said(inspect(vdisk(tmp_path / "guest")), asked) == {code: Severity.BLOCKER}


def test_an_older_version_where_it_is_meant(tmp_path: Path) -> None:
    asked = options(str(pvs_installer(tmp_path / "source", "7.30.0")), "7.30.0", pvs_downgrade=True)
    guest = vdisk(tmp_path / "guest")
    assert said(inspect(guest), asked) == {}
    _, _, checks = upgraded(guest, asked)
    assert all(check.passed for check in checks.values())


def test_no_target_device(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path / "guest", dataclasses.replace(VDISK, components=()))
    asked = options(str(pvs_installer(tmp_path / "source", WANTED)))
    assert said(inspect(guest), asked) == {"guest.pvs-not-installed": Severity.BLOCKER}
    (found,) = (f for f in findings(inspect(guest), VSPHERE, asked) if "pvs" in f.code)
    assert "InstallPvs" in found.remedy


def test_half_a_target_device(tmp_path: Path) -> None:
    guest = vdisk(tmp_path / "guest")
    with Hive.open(hive_file(guest, "SOFTWARE"), writable=True) as hive:
        hive.root.delete_key(component_key(CitrixPart.PVS_TARGET))
        hive.commit()
    asked = options(str(pvs_installer(tmp_path / "source", WANTED)))
    assert said(inspect(guest), asked) == {"guest.pvs-half-installed": Severity.BLOCKER}


@pytest.mark.parametrize("version", ["2203", "7.33", "7.33.5000", "7.33.5000.12"])
def test_the_version_is_there_already(tmp_path: Path, version: str) -> None:
    inspection = inspect(vdisk(tmp_path / "guest"))
    asked = options(None, version)
    assert said(inspection, asked) == {"guest.pvs-there-already": Severity.INFO}
    assert "upgrade-pvs" not in {change.fixup for change in plan(inspection, VSPHERE, asked)}


def test_a_linux_has_nothing_to_upgrade(tmp_path: Path) -> None:
    inspection = inspect(debian_tree(tmp_path / "guest"))
    asked = options(str(pvs_installer(tmp_path / "source", WANTED)))
    assert said(inspection, asked) == {"guest.operation-unsupported": Severity.BLOCKER}


@pytest.mark.parametrize(
    ("extra", "bad"),
    [
        (rf"drop {SERVICES}\bnistack", "driver bnistack of the Provisioning target device"),
        (rf"number {SERVICES}\bnistack|Start|4", "driver bnistack of the Provisioning target"),
        (rf"set {SERVICES}\CFsDep2|ImagePath|System32\drivers\lost.sys", "driver CFsDep2"),
        (rf"drop {SERVICES}\volsnap", "class filters have their drivers"),
        (
            rf"set SOFTWARE|{component_key(CitrixPart.PVS_TARGET)}|DisplayVersion|7.40.0",
            "is version 7.41.100",
        ),
        (rf"drop SOFTWARE|{component_key(CitrixPart.PVS_TARGET)}", "is version 7.41.100"),
    ],
)
def test_what_the_installer_broke_is_seen(tmp_path: Path, extra: str, bad: str) -> None:
    source = pvs_installer(tmp_path / "source", WANTED, extra=(extra,))
    _, report, checks = upgraded(vdisk(tmp_path / "guest"), options(str(source)))
    assert report.complete
    (failed,) = (what for what, check in checks.items() if not check.passed)
    assert bad in failed


def test_an_installer_that_fails(tmp_path: Path) -> None:
    source = pvs_installer(tmp_path / "source", WANTED, code=1603)
    _, report, _ = upgraded(vdisk(tmp_path / "guest"), options(str(source)))
    assert [step.exit_code for step in report.steps] == [1603]
    assert report.restarts == 0


@pytest.mark.parametrize(("made", "good"), [("7.41.100", True), ("7.40.0", False)])
def test_a_migration_reads_the_version_back_as_well(tmp_path: Path, made: str, good: bool) -> None:
    source = pvs_installer(tmp_path / "source", made)
    (source / made).rename(source / "2402")
    asked = PrepareOptions(
        install_pvs="2402", components=str(source), provisioning=Provisioning.PVS
    )
    guest = vdisk(tmp_path / "guest")
    before = inspect(guest)
    prepare(guest, before, VSPHERE, asked, lambda *_: None)
    assert booted(guest).complete
    checks = verify(guest, before, VSPHERE, asked)
    (check,) = (check for check in checks if check.fixup == "install-pvs")
    assert (check.passed, check.seen) == (good, f"version {made}")


def test_without_a_component_source(tmp_path: Path) -> None:
    missing = {"guest.component-missing": Severity.BLOCKER}
    assert said(inspect(vdisk(tmp_path)), options(None)) == missing


def test_mcs_io_is_not_seen_in_the_target_devices_driver(tmp_path: Path) -> None:
    facts = inspect(vdisk(tmp_path)).windows
    assert facts is not None
    assert facts.service("CVhdMp") is not None
    assert facts.component(CitrixPart.MCSIO) is None
    assert facts.component(CitrixPart.PVS_TARGET) is not None
