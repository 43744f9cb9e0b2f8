"""Rules over facts: what golden guests do not vary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imageport.guest.windows.findings import findings
from imageport.guest.windows.findings_target import target_findings
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Inspection, OsFamily, Volume
from imageport.model.guest_facts import InstalledProduct, WindowsFacts, WindowsService
from imageport.model.target import PROFILES, Firmware, Target
from imageport.model.windows_facts import (
    BootEntry,
    DriverPolicy,
    PageFile,
    ScriptPolicy,
    SetupState,
    WindowsState,
)

GIB = 1 << 30
FACTS = WindowsFacts("Windows", "ControlSet001", 20348, True, (), (), (), (), (), ())
SYSTEM = Volume("/dev/sdb3", 3, 0, 60 * GIB, "ntfs", free=20 * GIB)
SCSI = "{4D36E97B-E325-11CE-BFC1-08002BE10318}"
NET = "{4d36e972-e325-11ce-bfc1-08002be10318}"


def inspection(volumes: tuple[Volume, ...] = (SYSTEM,), **facts: Any) -> Inspection:
    return Inspection(
        OsFamily.WINDOWS, "Windows", "10.0.20348", "x86_64", "M", Firmware.UEFI, "/dev/sdb3",
        volumes, (), (), (), (), windows=replace(FACTS, **facts),
    )  # fmt: skip


def codes(found: tuple[Finding, ...]) -> list[str]:
    return [each.code for each in found]


def on(target: Target, **facts: Any) -> list[str]:
    return codes(target_findings(inspection(**facts), PROFILES[target]))


def test_nothing_to_say() -> None:
    assert findings(inspection()) == ()
    assert all(target_findings(inspection(), profile) == () for profile in PROFILES.values())


def test_restart_is_said_once() -> None:
    both = WindowsState(pending_updates=("pending.xml",), pending_restart=("RebootPending",))
    assert codes(findings(inspection(state=both))) == ["guest.pending-updates"]
    one = WindowsState(pending_restart=("RebootPending",))
    assert codes(findings(inspection(state=one))) == ["guest.pending-restart"]


@pytest.mark.parametrize("setup", list(SetupState))
def test_setup_is_complete_or_a_blocker(setup: SetupState) -> None:
    found = findings(inspection(state=WindowsState(setup=setup)))
    expected = [] if setup is SetupState.COMPLETE else [Severity.BLOCKER]
    assert [each.severity for each in found] == expected


def test_only_the_default_entry_counts() -> None:
    here = BootEntry("{1}", "Windows", "winload.efi", default=True)
    vhd = BootEntry("{2}", "Lab", "winload.efi", default=False, from_vhd=True)
    assert findings(inspection(boot_entries=(here, vhd))) == ()
    chosen = (replace(here, default=False), replace(vhd, default=True))
    (found,) = findings(inspection(boot_entries=chosen))
    assert found.data == {"entry": "{2}"}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (ScriptPolicy("AllSigned", by_group_policy=True), ["guest.powershell-policy"]),
        (ScriptPolicy("Restricted", by_group_policy=True), ["guest.powershell-policy"]),
        (ScriptPolicy("RemoteSigned", by_group_policy=True), []),
        # The machine's own setting gives way to -ExecutionPolicy on a command line.
        (ScriptPolicy("AllSigned"), []),
        (ScriptPolicy(constrained=True), ["guest.powershell-constrained"]),
        (ScriptPolicy(code_integrity=True), ["guest.application-control"]),
        (ScriptPolicy(app_locker=("Exe",)), ["guest.application-control"]),
    ],
)
def test_what_may_run(policy: ScriptPolicy, expected: list[str]) -> None:
    assert codes(findings(inspection(script_policy=policy))) == expected


def test_each_page_file_on_another_disk() -> None:
    files = (
        PageFile(r"C:\pagefile.sys", 0, 0, drive_here=True),
        PageFile(r"D:\pagefile.sys", None, None, drive_here=False),
        PageFile(r"E:\pagefile.sys", 1, 2, drive_here=False),
    )
    found = findings(inspection(page_files=files))
    assert [each.data["path"] for each in found] == [r"D:\pagefile.sys", r"E:\pagefile.sys"]


@pytest.mark.parametrize(
    ("free", "expected"),
    [(6 * GIB - 1, ["guest.aws-import-space"]), (6 * GIB, []), (None, [])],
)
def test_space_for_the_import_of_aws(free: int | None, expected: list[str]) -> None:
    looked = inspection((replace(SYSTEM, free=free),))
    assert codes(target_findings(looked, PROFILES[Target.AWS])) == expected
    assert target_findings(looked, PROFILES[Target.AZURE]) == ()


@pytest.mark.parametrize(
    ("policy", "target", "forbidden"),
    [
        (DriverPolicy(denied_classes=(SCSI,)), Target.AHV, ["virtio-scsi"]),
        (DriverPolicy(denied_classes=(SCSI,)), Target.AZURE, ["vmbus", "nvme"]),
        (DriverPolicy(denied_classes=(NET,)), Target.AHV, ["virtio-net"]),
        (DriverPolicy(denied_ids=(r"pci\ven_1af4&dev_1004",)), Target.AHV, ["virtio-scsi"]),
        (DriverPolicy(denied_ids=(r"PCI\VEN_1AF4",)), Target.AHV, ["virtio-scsi", "virtio-net"]),
        (
            DriverPolicy(denied_ids=(r"PCI\VEN_1AF4&DEV_1000&SUBSYS_00011AF4",)),
            Target.AHV,
            ["virtio-net"],
        ),
        (DriverPolicy(denied_ids=(r"PCI\VEN_1AF4&DEV_10",)), Target.AHV, []),
        (DriverPolicy(denied_ids=(r"USB\VID_0781",)), Target.AHV, []),
        (DriverPolicy(denied_classes=(SCSI,), only_listed=True), Target.AHV, []),
    ],
)
def test_forbidden_devices(policy: DriverPolicy, target: Target, forbidden: list[str]) -> None:
    found = target_findings(inspection(driver_policy=policy), PROFILES[target])
    assert [each.data["device"] for each in found] == forbidden
    blocking = [each.data["device"] for each in found if each.severity is Severity.BLOCKER]
    assert blocking == [each for each in forbidden if each != "nvme"], "nvme is of few sizes only"


def test_a_device_in_use_is_not_installed_anew() -> None:
    def service(name: str, start: int) -> WindowsService:
        return WindowsService(name, start, 1, None, True, False)

    policy = DriverPolicy(denied_classes=(SCSI, NET))
    used = (service("vioscsi", 0), service("netkvm", 3))
    assert on(Target.AHV, driver_policy=policy, services=used) == []
    idle = (service("vioscsi", 3), service("netkvm", 3))
    assert on(Target.AHV, driver_policy=policy, services=idle) == ["guest.device-forbidden"]


def test_tools_of_another_platform() -> None:
    code = "{5B7A3E1C-0A1B-4C2D-8E3F-112233445566}"
    msi = InstalledProduct("VMware Tools", "12", "VMware", code, f"MsiExec.exe /I{code}")
    other = InstalledProduct("VMware Tools", "8", "VMware", "VMware Tools", r"C:\setup.exe /remove")
    assert on(Target.AHV, installed=(msi,)) == ["guest.foreign-tools"]
    assert on(Target.AHV, installed=(other,)) == ["guest.foreign-tools-stay"]
    assert on(Target.VSPHERE, installed=(msi, other)) == []
