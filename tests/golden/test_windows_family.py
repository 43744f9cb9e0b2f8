"""The phony Windows family: what each release, tool, agent and bad state is seen as."""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from imageport.guest.errors import UnsupportedArchitectureError, UnsupportedOsError
from imageport.guest.inspect import inspect
from imageport.guest.plan import findings
from imageport.guest.windows.hive import Hive, HiveDirtyError
from imageport.model.errors import ImageportError
from imageport.model.findings import Severity
from imageport.model.guest import Inspection, PrepareOptions, Volume
from imageport.model.guest_facts import WindowsFacts
from imageport.model.target import PROFILES, Firmware, Target
from imageport.model.windows_facts import (
    CitrixPart,
    DomainMembership,
    DriverPackage,
    GuestAgent,
    PageFile,
    WindowsRelease,
)
from lab.guests.windows_spec import Agent, Product, State, Tools, Vda, WindowsMaster
from tests.golden.trees import windows_tree

OTHER_PARTITION = "d1b2f3c4-0001-4a5b-8c6d-7e8f90a1b2c3"
MBR_DRIVE = struct.pack("<IQ", 0xCAFE0123, 1 << 30)
PLAIN = WindowsMaster(static_address=False)
"""Nothing to remark on."""
RELEASES = {
    Product.SERVER_2016: (
        "Windows Server 2016 Standard 1607",
        WindowsRelease(
            "Windows Server 2016 Standard", "ServerStandard", "1607", 14393, 1607, "Server"
        ),
    ),
    Product.SERVER_2019: (
        "Windows Server 2019 Standard 1809",
        WindowsRelease(
            "Windows Server 2019 Standard", "ServerStandard", "1809", 17763, 1607, "Server"
        ),
    ),
    Product.SERVER_2022: (
        "Windows Server 2022 Standard 21H2",
        WindowsRelease(
            "Windows Server 2022 Standard", "ServerStandard", "21H2", 20348, 1607, "Server"
        ),
    ),
    Product.SERVER_2025: (
        "Windows Server 2025 Standard 24H2",
        WindowsRelease(
            "Windows Server 2025 Standard", "ServerStandard", "24H2", 26100, 1607, "Server"
        ),
    ),
    Product.WINDOWS_10: (
        "Windows 10 Enterprise 22H2",
        WindowsRelease("Windows 10 Enterprise", "Enterprise", "22H2", 19045, 1607, "Client"),
    ),
    Product.WINDOWS_11: (
        "Windows 11 Enterprise 23H2",
        WindowsRelease("Windows 11 Enterprise", "Enterprise", "23H2", 22631, 1607, "Client"),
    ),
}
FOUND = {
    State.FAST_STARTUP: ("guest.fast-startup", Severity.INFO),
    State.BITLOCKER_DATA: ("guest.bitlocker-data", Severity.WARNING),
    State.DYNAMIC_DISK: ("guest.dynamic-disk", Severity.BLOCKER),
    State.PENDING_RESTART: ("guest.pending-restart", Severity.WARNING),
    State.PENDING_UPDATES: ("guest.pending-updates", Severity.BLOCKER),
    State.DRIVERS_FORBIDDEN: ("guest.drivers-forbidden", Severity.BLOCKER),
    State.DRIVERS_DENIED: ("guest.driver-policy", Severity.WARNING),
    State.SIGNED_SCRIPTS: ("guest.powershell-policy", Severity.WARNING),
    State.CONSTRAINED_LANGUAGE: ("guest.powershell-constrained", Severity.WARNING),
    State.APPLICATION_CONTROL: ("guest.application-control", Severity.WARNING),
    State.SETUP_RUNNING: ("guest.setup-in-progress", Severity.BLOCKER),
    State.GENERALIZED: ("guest.generalized", Severity.BLOCKER),
    State.AUDIT_MODE: ("guest.audit-mode", Severity.BLOCKER),
    State.ENTRA_JOINED: ("guest.entra-joined", Severity.WARNING),
    State.ANTIVIRUS: ("guest.antivirus", Severity.WARNING),
    State.PAGE_FILE_ELSEWHERE: ("guest.page-file-drive", Severity.WARNING),
    State.WINDOWS_TO_GO: ("guest.windows-to-go", Severity.WARNING),
    State.VHD_BOOT: ("guest.vhd-boot", Severity.BLOCKER),
    State.COMPACT_OS: ("guest.compact-os", Severity.INFO),
}
REFUSED: dict[State, type[ImageportError]] = {
    State.OLD_VERSION: UnsupportedOsError,
    State.THIRTY_TWO_BIT: UnsupportedArchitectureError,
    State.DIRTY_HIVE: HiveDirtyError,
}
ON_DISK = {
    State.CLEAN,
    State.HIBERNATED,
    State.DIRTY_VOLUME,
    State.DIRTY_DATA,
    State.BITLOCKER,
    State.LOW_SPACE,
    State.DATA_DISK,
}
"""States of volumes: tests/golden/test_windows_disks.py."""


def inspected(folder: Path, **asked: object) -> tuple[Inspection, WindowsFacts]:
    inspection = inspect(windows_tree(folder, dataclasses.replace(PLAIN, **asked)))  # type: ignore[arg-type]
    assert inspection.windows is not None
    return inspection, inspection.windows


def test_every_state_is_tested() -> None:
    assert {*FOUND, *REFUSED, *ON_DISK} == set(State)


@pytest.mark.parametrize("firmware", list(Firmware))
@pytest.mark.parametrize("product", list(Product))
def test_release(tmp_path: Path, product: Product, firmware: Firmware) -> None:
    inspection, facts = inspected(tmp_path, product=product, firmware=firmware)
    name, release = RELEASES[product]
    assert inspection.name == name
    assert inspection.findings == ()
    assert inspection.firmware is firmware
    assert facts.release == release
    assert facts.server == product.startswith("server")
    assert facts.control_set == "ControlSet001"
    (entry,) = facts.boot_entries
    assert entry.default
    assert not entry.from_vhd
    assert entry.description == "Windows"
    ending = "efi" if firmware is Firmware.UEFI else "exe"
    assert entry.program == rf"\Windows\system32\winload.{ending}"
    assert facts.page_files == (PageFile(r"?:\pagefile.sys", None, None, drive_here=True),)
    assert {"disk", "partmgr", "storahci", "pvscsi"} <= set(facts.boot_start)
    assert not {"stornvme", "vmxnet3ndis6"}.intersection(facts.boot_start)


@pytest.mark.parametrize("state", FOUND)
def test_a_bad_state_has_its_finding_and_no_other(tmp_path: Path, state: State) -> None:
    inspection, _ = inspected(tmp_path, state=state)
    (found,) = inspection.findings
    assert (found.code, found.severity) == FOUND[state]
    for text in (found.sentence, found.remedy):
        assert text[0].isupper() or text[0] == "'"
        assert text.endswith(".")
    text = json.dumps(dataclasses.asdict(inspection))
    assert TypeAdapter(Inspection).validate_json(text) == inspection


@pytest.mark.parametrize("state", REFUSED)
def test_a_refused_state_says_which(tmp_path: Path, state: State) -> None:
    with pytest.raises(REFUSED[state]) as refused:
        inspect(windows_tree(tmp_path, dataclasses.replace(PLAIN, state=state)))
    assert type(refused.value) is REFUSED[state]
    assert refused.value.advice


def test_bad_states_are_told_apart_by_their_codes() -> None:
    codes = [code for code, _ in FOUND.values()] + [error.code for error in REFUSED.values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("tools", "products", "infs"),
    [
        (Tools.VMWARE, {("guest-tools", "VMware Tools", "VMware")}, 3),
        (
            Tools.XENSERVER,
            {("guest-tools", "Citrix XenServer Tools Installer", "XenServer")},
            3,
        ),
        (Tools.NUTANIX, {("guest-tools", "Nutanix Guest Tools", "Nutanix")}, 3),
        (Tools.NONE, set(), 0),
    ],
)
def test_guest_tools(
    tmp_path: Path, tools: Tools, products: set[tuple[str, str, str]], infs: int
) -> None:
    inspection, facts = inspected(tmp_path, tools=tools, vda=Vda.NONE)
    assert {(each.kind, each.name, each.vendor) for each in inspection.products} == products
    assert inspection.findings == ()
    assert len(facts.driver_packages) == infs
    assert all(package.provider == "imageport lab" for package in facts.driver_packages)


def test_driver_packages_of_others(tmp_path: Path) -> None:
    _, facts = inspected(tmp_path, tools=Tools.NUTANIX)
    first = facts.driver_packages[0]
    assert first == DriverPackage("oem2.inf", first.label, "imageport lab")
    assert first.label.startswith("oem2.inf_amd64_")
    assert "vioscsi" in facts.boot_start


@pytest.mark.parametrize(
    ("vda", "release", "parts"),
    [
        (Vda.LTSR_1912, "1912.0.9000.9079", "7.24.9000.5"),
        (Vda.LTSR_2203, "2203.0.5000.5100", "7.33.5000.12"),
        (Vda.CURRENT, "2402.0.100.629", "7.41.100.18"),
    ],
)
def test_citrix(tmp_path: Path, vda: Vda, release: str, parts: str) -> None:
    components = (CitrixPart.MISA, CitrixPart.MCSIO, CitrixPart.PVS_TARGET, CitrixPart.UPL)
    inspection, facts = inspected(tmp_path, vda=vda, components=components)
    versions = {each.part: each.version for each in facts.citrix}
    assert versions == {CitrixPart.VDA: release, **dict.fromkeys(components, parts)}
    assert facts.controllers == ("ddc1.corp.example", "ddc2.corp.example")
    assert sum(product.kind == "vda" for product in inspection.products) == 5
    assert inspection.findings == ()


def test_citrix_parts_that_are_not_there(tmp_path: Path) -> None:
    _, alone = inspected(tmp_path / "alone", components=())
    assert [each.part for each in alone.citrix] == [CitrixPart.VDA]
    assert alone.component(CitrixPart.MISA) is None
    _, none = inspected(tmp_path / "none", vda=Vda.NONE)
    assert none.citrix == ()
    assert none.controllers == ()


def test_agents(tmp_path: Path) -> None:
    inspection, facts = inspected(tmp_path, agents=tuple(Agent), tools=Tools.NUTANIX)
    assert set(facts.agents) == {
        GuestAgent("Azure guest agent", "Microsoft Azure", "2.7.41491.1095", 2),
        GuestAgent("EC2Launch v2", "Amazon", "2.0.1815", 2),
        GuestAgent("EC2Launch v1", "Amazon", "1.3.2004592", None),
        GuestAgent("EC2Config", "Amazon", "4.9.5777", 2),
        GuestAgent("SSM agent", "Amazon", "3.2.2016.0", 2),
        GuestAgent("Google guest agent", "Google", None, 2),
        GuestAgent("Nutanix Guest Tools", "Nutanix", "4.1.0", 2),
    }
    assert inspection.findings == ()


def test_domain_member(tmp_path: Path) -> None:
    inspection, facts = inspected(tmp_path, joined=True)
    assert facts.domain == DomainMembership(True, "corp.example", "MASTER01$", None)
    (found,) = inspection.findings
    assert (found.code, found.severity) == ("guest.domain-joined", Severity.WARNING)
    assert "corp.example as MASTER01$" in found.sentence


def test_static_address(tmp_path: Path) -> None:
    inspection, facts = inspected(tmp_path, static_address=True)
    assert facts.domain == DomainMembership()
    (found,) = inspection.findings
    assert (found.code, found.severity) == ("guest.static-address", Severity.INFO)
    assert found.data == {"addresses": ["10.20.30.40"]}


def test_what_pends(tmp_path: Path) -> None:
    _, restart = inspected(tmp_path / "restart", state=State.PENDING_RESTART)
    assert restart.state.pending_updates == ()
    assert [each.rsplit("\\", 1)[1] for each in restart.state.pending_restart] == [
        "RebootRequired",
        "PendingFileRenameOperations",
    ]
    _, updates = inspected(tmp_path / "updates", state=State.PENDING_UPDATES)
    assert [each.rsplit("\\", 1)[1] for each in updates.state.pending_updates] == [
        "pending.xml",
        "PackagesPending",
        "SetupExecute",
    ]
    assert [each.rsplit("\\", 2)[1:] for each in updates.state.pending_restart] == [
        ["Component Based Servicing", "RebootPending"],
        ["TrustedInstaller", "Start"],
    ]


def test_policies(tmp_path: Path) -> None:
    _, denied = inspected(tmp_path / "denied", state=State.DRIVERS_DENIED)
    assert not denied.driver_policy.only_listed
    assert denied.driver_policy.denied_classes == ("{4d36e97b-e325-11ce-bfc1-08002be10318}",)
    assert denied.driver_policy.denied_ids == (r"PCI\VEN_15AD&DEV_0740",)
    _, signed = inspected(tmp_path / "signed", state=State.SIGNED_SCRIPTS)
    assert (signed.script_policy.execution_policy, signed.script_policy.by_group_policy) == (
        "AllSigned",
        True,
    )
    _, control = inspected(tmp_path / "control", state=State.APPLICATION_CONTROL)
    assert control.script_policy.app_locker == ("Script",)
    assert control.script_policy.code_integrity


@pytest.mark.parametrize(
    ("target", "forbidden"),
    [
        (Target.AZURE, {("vmbus", Severity.BLOCKER), ("nvme", Severity.WARNING)}),
        (Target.AWS, {("nvme", Severity.BLOCKER)}),
        (Target.VSPHERE, {("nvme", Severity.WARNING)}),
    ],
)
def test_a_denied_class_is_in_the_way_of_a_target(
    tmp_path: Path, target: Target, forbidden: set[tuple[str, Severity]]
) -> None:
    inspection, _ = inspected(tmp_path, state=State.DRIVERS_DENIED)
    found = findings(inspection, PROFILES[target], PrepareOptions())
    assert {
        (each.data["device"], each.severity)
        for each in found
        if each.code == "guest.device-forbidden"
    } == forbidden


@pytest.mark.parametrize("target", list(Target))
def test_tools_away_from_home(tmp_path: Path, target: Target) -> None:
    inspection, _ = inspected(tmp_path, tools=Tools.NUTANIX)
    codes = {each.code for each in findings(inspection, PROFILES[target], PrepareOptions())}
    assert ("guest.foreign-tools" in codes) == (target not in (Target.AHV, Target.PVS))


def test_page_file_with_sizes(tmp_path: Path) -> None:
    _, facts = inspected(tmp_path, state=State.PAGE_FILE_ELSEWHERE)
    assert facts.page_files == (PageFile(r"E:\pagefile.sys", 4096, 8192, drive_here=False),)


@pytest.mark.parametrize(
    ("remembered", "volume", "here"),
    [
        # As the lab's master has it: a partition's GUID on a GPT disk.
        (None, Volume("d", 5, 9, 9, "unknown", partition_uuid=OTHER_PARTITION), True),
        (None, Volume("d", 5, 9, 9, "unknown"), False),
        # On an MBR disk: its signature, and the partition's offset.
        (MBR_DRIVE, Volume("d", 5, 1 << 30, 9, "unknown", partition_uuid="cafe0123-05"), True),
        (MBR_DRIVE, Volume("d", 5, 1 << 20, 9, "unknown", partition_uuid="cafe0123-05"), False),
        (MBR_DRIVE, Volume("d", 5, 1 << 30, 9, "unknown", partition_uuid="0badcafe-05"), False),
        (b"_??_USBSTOR", Volume("d", 5, 9, 9, "unknown"), False),
    ],
)
def test_drive_of_a_page_file(
    tmp_path: Path, remembered: bytes | None, volume: Volume, here: bool
) -> None:
    guest = windows_tree(tmp_path, dataclasses.replace(PLAIN, state=State.PAGE_FILE_ELSEWHERE))
    if remembered:
        with Hive.open(guest.root / "Windows/System32/config/SYSTEM", writable=True) as system:
            system.ensure_key("MountedDevices").set_binary("\\DosDevices\\E:", remembered)
            system.commit()
    facts = inspect(dataclasses.replace(guest, volumes=(*guest.volumes, volume))).windows
    assert facts is not None
    assert [file.drive_here for file in facts.page_files] == [here]


def test_compressed_windows_is_read_all_the_same(tmp_path: Path) -> None:
    inspection, facts = inspected(tmp_path, state=State.COMPACT_OS)
    assert facts.state.compact_os
    assert inspection.architecture == "x86_64"
