from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from imageport.guest.errors import BlockedError, DriverLibraryError
from imageport.guest.first_boot import collect, installed
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.plan import findings, plan
from imageport.guest.prepare import prepare, verify
from imageport.guest.windows.hive import Hive, HiveDirtyError
from imageport.model.findings import Severity
from imageport.model.guest import Inspection, PrepareOptions, Volume
from imageport.model.target import PROFILES, Controller, Firmware, Target
from lab.guests.driver_library import driver_library
from lab.guests.phony_nt.drivers import DriverLookup
from lab.guests.windows_spec import Product, State, Tools, WindowsMaster
from tests.golden.trees import run_first_boot, tree_hash, windows_tree

IDS = {
    Controller.PVSCSI: r"PCI\VEN_15AD&DEV_07C0",
    Controller.VIRTIO_SCSI: r"PCI\VEN_1AF4&DEV_1004",
    Controller.NVME: r"PCI\CC_010802",
    Controller.AHCI: r"PCI\CC_010601",
    Controller.IDE: r"PCI\VEN_8086&DEV_7010",
    Controller.VMBUS: r"VMBUS\{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}",
}
VMWARE_TARGETS = [t for t in Target if t not in (Target.VSPHERE, Target.PVS)]


def quiet(what: str, done: int, total: int) -> None:
    assert what
    assert 0 <= done <= total


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> PrepareOptions:
    return PrepareOptions(drivers=str(driver_library(tmp_path_factory.mktemp("virtio"))))


def boots(guest: Guest, controller: Controller) -> list[str]:
    """What NT's loader would say of the controller (the phony Windows' own model); empty: boots."""
    config = guest.root / "Windows/System32/config/SYSTEM"
    with Hive.open(config) as system:
        lookup = DriverLookup(system, "ControlSet001", guest.root / "Windows")
        matches = lookup.best([IDS[controller]])
        bound = any(match.problem is None for match in matches)
        return [*lookup.obstacles(), *([] if bound else [f"no driver for {controller}"])]


@pytest.mark.parametrize("target", list(Target))
@pytest.mark.parametrize("product", [Product.SERVER_2016, Product.SERVER_2025, Product.WINDOWS_11])
def test_boots_on_every_controller_of_the_target(
    tmp_path: Path, target: Target, product: Product, library: PrepareOptions
) -> None:
    guest = windows_tree(tmp_path, WindowsMaster(product=product))
    profile = PROFILES[target]
    before = inspect(guest)
    done = prepare(guest, before, profile, library, quiet)
    assert all(check.passed for check in done.checks)
    assert installed(guest)
    for controller in profile.controllers:
        if controller in IDS:
            assert boots(guest, controller) == []


@pytest.mark.parametrize("controller", [Controller.VIRTIO_SCSI, Controller.NVME, Controller.VMBUS])
def test_untouched_image_stops(tmp_path: Path, controller: Controller) -> None:
    assert boots(windows_tree(tmp_path, WindowsMaster()), controller) != []


@pytest.mark.parametrize("firmware", list(Firmware))
@pytest.mark.parametrize("target", list(Target))
def test_prepare_twice_changes_nothing_more(
    tmp_path: Path, target: Target, firmware: Firmware, library: PrepareOptions
) -> None:
    guest = windows_tree(tmp_path, WindowsMaster(firmware=firmware))
    profile = PROFILES[target]
    prepare(guest, inspect(guest), profile, library, quiet)
    once = tree_hash(guest.root, guest.esp, guest.boot)
    again = inspect(guest)
    planned = {change.fixup for change in plan(again, profile, library)}
    assert planned <= {"first-boot", "network-drivers", "platform-tools"}
    prepare(guest, again, profile, library, quiet)
    assert tree_hash(guest.root, guest.esp, guest.boot) == once


def test_there_and_back(tmp_path: Path, library: PrepareOptions) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    for target in (Target.VSPHERE, Target.AHV, Target.VSPHERE):
        prepare(guest, inspect(guest), PROFILES[target], library, quiet)
        assert boots(guest, PROFILES[target].controllers[0]) == []
    with Hive.open(guest.root / "Windows/System32/config/SYSTEM") as system:
        tools = system.key(r"ControlSet001\Services\VMTools")
        assert tools is not None
        assert tools.number("Start") == 2, "at home again"
        assert tools.value("ImageportSavedStart") is None


def test_foreign_filters_go(tmp_path: Path, library: PrepareOptions) -> None:
    """Citrix's filter without its service is the classic 0x7B after leaving XenServer."""
    guest = windows_tree(tmp_path, WindowsMaster(tools=Tools.XENSERVER))
    prepare(guest, inspect(guest), PROFILES[Target.AHV], library, quiet)
    assert boots(guest, Controller.VIRTIO_SCSI) == []
    with Hive.open(guest.root / "Windows/System32/config/SYSTEM") as system:
        classes = system.key(r"ControlSet001\Control\Class")
        assert classes is not None
        lists = [key.strings("UpperFilters") for key in classes.subkeys()]
        assert not any("xenfilt" in (names or ()) for names in lists)
        assert ("partmgr",) in lists, "Windows' own filters stay"
        for service, start in (("xenfilt", 4), ("xensvc", 4), ("xenvbd", 3)):
            key = system.key(f"ControlSet001\\Services\\{service}")
            assert key is not None
            assert key.number("Start") == start


def test_no_driver_and_no_library_is_refused(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    before = inspect(guest)
    untouched = tree_hash(guest.root, guest.esp)
    with pytest.raises(BlockedError) as refused:
        prepare(guest, before, PROFILES[Target.AHV], PrepareOptions(), quiet)
    assert "vioscsi" in refused.value.message
    assert "--drivers" in refused.value.advice
    assert "virtio-win" in refused.value.advice
    assert tree_hash(guest.root, guest.esp) == untouched


def test_library_without_the_driver_is_refused(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path / "guest", WindowsMaster())
    (tmp_path / "empty").mkdir()
    options = PrepareOptions(drivers=str(tmp_path / "empty"))
    with pytest.raises(BlockedError):
        prepare(guest, inspect(guest), PROFILES[Target.GCP], options, quiet)
    missing = PrepareOptions(drivers=str(tmp_path / "nowhere"))
    with pytest.raises(DriverLibraryError):
        findings(inspect(guest), PROFILES[Target.GCP], missing)


def test_missing_network_driver_is_a_warning(tmp_path: Path, library: PrepareOptions) -> None:
    inspection = inspect(windows_tree(tmp_path, WindowsMaster()))
    found = {f.code: f.severity for f in findings(inspection, PROFILES[Target.AWS], library)}
    assert found["guest.no-nic-driver"] is Severity.WARNING
    codes = [f.code for f in findings(inspection, PROFILES[Target.GCP], library)]
    assert "guest.no-nic-driver" not in codes, "the library has netkvm"


@pytest.mark.parametrize("target", VMWARE_TARGETS)
def test_vmware_tools_are_removed_at_first_boot(
    tmp_path: Path, target: Target, library: PrepareOptions
) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    before = inspect(guest)
    prepare(guest, before, PROFILES[target], library, quiet)
    steps = sorted((guest.root / "ProgramData/imageport/first-boot/steps").iterdir())
    remove = next(step for step in steps if "remove-vmware-tools" in step.name)
    text = remove.read_bytes().decode("ascii")
    assert "msiexec /x {" in text
    assert text.count("\r\n") == text.count("\n"), "batch files end their lines with CRLF"


@pytest.mark.parametrize("target", [Target.VSPHERE, Target.PVS])
def test_vmware_tools_stay_at_home(tmp_path: Path, target: Target, library: PrepareOptions) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    fixups = {c.fixup for c in plan(inspect(guest), PROFILES[target], library)}
    assert "guest-tools" not in fixups


def test_settings_of_a_cloud(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    prepare(guest, inspect(guest), PROFILES[Target.AZURE], PrepareOptions(), quiet)
    with Hive.open(guest.root / "Windows/System32/config/SYSTEM") as system:
        control = system.key(r"ControlSet001\Control")
        assert control is not None
        for key, name, number in (
            ("Terminal Server", "fDenyTSConnections", 0),
            ("TimeZoneInformation", "RealTimeIsUniversal", 1),
            ("CrashControl", "AutoReboot", 1),
        ):
            found = control.key(key)
            assert found is not None
            assert found.number(name) == number
        storvsc = system.key(r"ControlSet001\Services\storvsc")
        assert storvsc is not None
        assert storvsc.key("StartOverride") is None
    assert guest.esp is not None
    with Hive.open(guest.esp / "EFI/Microsoft/Boot/BCD") as store:
        port = store.key(r"Objects\{0ce4991b-e6b3-4b16-b23c-5e0d9250e5d9}\Elements\15000022")
        assert port is not None
        value = port.value("Element")
        assert value is not None
        assert value.data == (1).to_bytes(8, "little")
    fallback = guest.esp / "EFI/Boot/bootx64.efi"
    assert fallback.read_bytes() == (guest.esp / "EFI/Microsoft/Boot/bootmgfw.efi").read_bytes()


def test_first_boot_is_collected_once(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    before = inspect(guest)
    prepare(guest, before, PROFILES[Target.AZURE], PrepareOptions(), quiet)
    run_first_boot(guest)
    config = guest.root / "Windows/System32/config/SYSTEM"
    with Hive.open(config, writable=True) as system:
        assert system.root.delete_key(r"ControlSet001\Services\imageport-first-boot")
        assert system.root.delete_key(r"ControlSet001\Services\VMTools"), "as its uninstaller does"
        system.commit()
    report = collect(guest)
    assert report is not None
    assert report.complete
    assert [(s.name, s.exit_code) for s in report.steps] == [
        ("machine-id", 0),
        ("remove-vmware-tools", 1603),
    ]
    assert not (guest.root / "ProgramData/imageport").exists()
    after = verify(guest, before, PROFILES[Target.AZURE], PrepareOptions())
    assert [check for check in after if not check.passed] == []


def test_dirty_hive_is_refused(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster(state=State.DIRTY_HIVE))
    with pytest.raises(HiveDirtyError):
        inspect(guest)


def test_inspection(tmp_path: Path) -> None:
    from pydantic import TypeAdapter  # noqa: PLC0415 - what the other side of the wire uses

    inspection = inspect(windows_tree(tmp_path, WindowsMaster(product=Product.WINDOWS_11)))
    assert inspection.name == "Windows 11 Enterprise 23H2"
    assert inspection.version == "10.0.22631"
    assert inspection.hostname == "MASTER01"
    kinds = {product.name: product.kind for product in inspection.products}
    assert kinds["VMware Tools"] == "guest-tools"
    assert kinds["Machine Identity Service Agent"] == "vda"
    drivers = {driver.name: driver.boot_start for driver in inspection.boot_drivers}
    assert drivers["pvscsi"]
    assert not drivers["storvsc"]
    text = json.dumps(dataclasses.asdict(inspection))
    assert TypeAdapter(Inspection).validate_json(text) == inspection


def test_findings_about_other_volumes(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    dynamic = Volume("/dev/sdb1", 1, 0, 1, "unknown", partition_type="0x42")
    data = Volume("/dev/sdb2", 2, 0, 1, "bitlocker")
    bad = dataclasses.replace(guest, volumes=(*guest.volumes, dynamic, data))
    found = {each.code for each in inspect(bad).findings}
    assert found - {each.code for each in inspect(guest).findings} == {
        "guest.dynamic-disk",
        "guest.bitlocker-data",
    }
    with pytest.raises(BlockedError):
        prepare(bad, inspect(bad), PROFILES[Target.AZURE], PrepareOptions(), quiet)
