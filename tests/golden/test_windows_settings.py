"""What each fix-up of Windows' settings writes, and takes back: beyond what plain masters show."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.prepare import prepare
from imageport.guest.session import Session
from imageport.guest.windows.firewall import RULES
from imageport.guest.windows.hive import Hive
from imageport.guest.windows.places import MEMORY, ROUTES, SERVICES, TCPIP
from imageport.guest.windows.registry import rendered
from imageport.model.guest import PrepareOptions
from imageport.model.target import PROFILES, Provisioning, Target
from lab.guests.driver_library import driver_library
from lab.guests.registry_data import Values, put
from lab.guests.windows_spec import State, Tools, WindowsMaster
from tests.golden.trees import windows_tree

SYSTEM_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e97d-e325-11ce-bfc1-08002be10318}"
METADATA = "169.254.169.254,255.255.255.255,0.0.0.0,1"
OFFICE = "10.9.0.0,255.255.0.0,10.20.30.254,1"
NTP = rf"{SERVICES}\W32Time\Parameters\NtpServer"
HOSTS = "Windows/System32/drivers/etc/hosts"
GIB = 1 << 30


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> PrepareOptions:
    return PrepareOptions(drivers=str(driver_library(tmp_path_factory.mktemp("virtio"))))


def prepared(guest: Guest, target: Target, options: PrepareOptions) -> None:
    prepare(guest, inspect(guest), PROFILES[target], options, lambda *_: None)


def leave(guest: Guest, hive: str, path: str, values: Values) -> None:
    config = guest.root / "Windows/System32/config" / hive
    with Hive.open(config, writable=True) as opened:
        put(opened, path.replace("CurrentControlSet", "ControlSet001"), values)
        opened.commit()


def value(guest: Guest, path: str) -> str | None:
    with Session(guest, writable=False) as session:
        return rendered(session.registry.value(*path.rsplit("\\", 1)))


def test_routes_of_the_source_go(tmp_path: Path, library: PrepareOptions) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    leave(guest, "SYSTEM", ROUTES.removeprefix("SYSTEM\\"), {OFFICE: ""})
    prepared(guest, Target.GCP, library)
    assert inspect(guest).windows.routes == (METADATA,)  # type: ignore[union-attr]
    prepared(guest, Target.AHV, library)
    assert inspect(guest).windows.routes == ()  # type: ignore[union-attr]


def test_metadata_server_is_known_on_google_alone(tmp_path: Path, library: PrepareOptions) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    hosts = guest.root / HOSTS
    hosts.write_bytes(b"# ours\r\n10.0.0.9 printer")
    prepared(guest, Target.GCP, library)
    once = hosts.read_bytes()
    assert once == (
        b"# ours\r\n10.0.0.9 printer\r\n169.254.169.254 metadata.google.internal metadata\r\n"
    )
    assert value(guest, rf"{TCPIP}\KeepAliveTime") == "dword:300000"
    prepared(guest, Target.GCP, library)
    assert hosts.read_bytes() == once
    prepared(guest, Target.AHV, library)
    assert hosts.read_bytes() == b"# ours\r\n10.0.0.9 printer\r\n"


@pytest.mark.parametrize(
    ("target", "server"),
    [
        (Target.AZURE, "time.windows.com,0x8"),
        (Target.AWS, "169.254.169.123,0x9"),
        (Target.GCP, "metadata.google.internal,0x1"),
    ],
)
def test_time(tmp_path: Path, target: Target, server: str, library: PrepareOptions) -> None:
    guest = windows_tree(tmp_path / "alone", WindowsMaster())
    prepared(guest, target, library)
    assert value(guest, NTP) == f"sz:{server}"
    prepared(guest, Target.VSPHERE, library)
    assert value(guest, NTP) == "sz:time.windows.com,0x8"
    member = windows_tree(tmp_path / "member", WindowsMaster(joined=True))
    prepared(member, target, library)
    assert value(member, NTP) is None, "its domain has the time"


@pytest.mark.parametrize(
    ("target", "state", "asked", "expected"),
    [
        (Target.AZURE, State.CLEAN, {}, r"multi:?:\pagefile.sys"),
        (Target.AZURE, State.PAGE_FILE_ELSEWHERE, {}, r"multi:?:\pagefile.sys"),
        (
            Target.AZURE,
            State.CLEAN,
            {"temporary_disk": True},
            r"multi:D:\pagefile.sys 0 0|C:\pagefile.sys 1024 1024",
        ),
        (Target.AHV, State.CLEAN, {"temporary_disk": True}, r"multi:?:\pagefile.sys"),
        (
            Target.AHV,
            State.PAGE_FILE_ELSEWHERE,
            {"provisioning": Provisioning.PVS},
            r"multi:E:\pagefile.sys 4096 8192",
        ),
        (Target.AWS, State.PAGE_FILE_ELSEWHERE, {}, r"multi:C:\pagefile.sys 4096 4096"),
    ],
)
def test_page_file(  # noqa: PLR0917 - the table's columns and the fixtures
    tmp_path: Path,
    target: Target,
    state: State,
    asked: dict[str, object],
    expected: str,
    library: PrepareOptions,
) -> None:
    guest = windows_tree(tmp_path, WindowsMaster(state=state))
    options = dataclasses.replace(library, **asked)  # type: ignore[arg-type]
    inspection = inspect(guest)
    volumes = tuple(dataclasses.replace(v, free=20 * GIB) for v in inspection.volumes)
    seen = dataclasses.replace(inspection, volumes=volumes)
    prepare(guest, seen, PROFILES[target], options, lambda *_: None)
    assert value(guest, rf"{MEMORY}\PagingFiles") == expected


@pytest.mark.parametrize(("free", "size"), [(12 * GIB - 1, 1024), (12 * GIB, 4096), (None, 1024)])
def test_fixed_page_file_leaves_room(tmp_path: Path, free: int | None, size: int) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    inspection = inspect(guest)
    volumes = tuple(dataclasses.replace(v, free=free) for v in inspection.volumes)
    seen = dataclasses.replace(inspection, volumes=volumes)
    prepare(guest, seen, PROFILES[Target.AWS], PrepareOptions(), lambda *_: None)
    assert value(guest, rf"{MEMORY}\PagingFiles") == rf"multi:C:\pagefile.sys {size} {size}"
    again = inspect(guest).windows
    assert again is not None
    assert again.page_files[0].initial == size


def test_a_fixed_page_file_stays(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    listed: Values = {"PagingFiles": [r"C:\pagefile.sys 2048 2048"]}
    leave(guest, "SYSTEM", MEMORY.removeprefix("SYSTEM\\"), listed)
    prepared(guest, Target.AWS, PrepareOptions())
    assert value(guest, rf"{MEMORY}\PagingFiles") == r"multi:C:\pagefile.sys 2048 2048"


def test_disabled_services_and_closed_rules_of_azure(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    services = SERVICES.removeprefix("SYSTEM\\")
    for name in ("Dhcp", "MpsSvc", "Dnscache", "RemoteRegistry"):
        leave(guest, "SYSTEM", rf"{services}\{name}", {"Start": 4})
    ping = "v2.31|Action=Block|Active=FALSE|Dir=In|Protocol=1|ICMP4=8:*|"
    leave(guest, "SYSTEM", RULES.removeprefix("SYSTEM\\"), {"FPS-ICMP4-ERQ-In": ping})
    prepared(guest, Target.AZURE, PrepareOptions())
    starts = {
        name: value(guest, rf"{SERVICES}\{name}\Start")
        for name in ("Dhcp", "MpsSvc", "Dnscache", "RemoteRegistry", "TermService")
    }
    assert starts == {
        "Dhcp": "dword:2",
        "MpsSvc": "dword:2",
        "Dnscache": "dword:2",
        "RemoteRegistry": "dword:4",
        "TermService": "dword:3",
    }
    opened = value(guest, rf"{RULES}\FPS-ICMP4-ERQ-In") or ""
    assert opened.startswith("sz:v2.31|Action=Allow|Active=TRUE|")


def test_a_disabled_firewall_is_not_of_other_targets_concern(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    leave(guest, "SYSTEM", rf"{SERVICES.removeprefix('SYSTEM' + chr(92))}\MpsSvc", {"Start": 4})
    prepared(guest, Target.VSPHERE, PrepareOptions())
    assert value(guest, rf"{SERVICES}\MpsSvc\Start") == "dword:4"


@pytest.mark.parametrize("asked", [False, True])
def test_remote_desktop_where_it_is_asked_for(tmp_path: Path, asked: bool) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    prepared(guest, Target.VSPHERE, PrepareOptions(enable_rdp=asked))
    terminal = r"SYSTEM\CurrentControlSet\Control\Terminal Server"
    assert value(guest, rf"{terminal}\fDenyTSConnections") == f"dword:{0 if asked else 1}"


def test_a_proxy_does_not_go_to_a_cloud(tmp_path: Path) -> None:
    key = r"Microsoft\Windows\CurrentVersion\Internet Settings\Connections"
    for target, stays in ((Target.VSPHERE, True), (Target.AWS, False)):
        guest = windows_tree(tmp_path / target, WindowsMaster())
        leave(guest, "SOFTWARE", key, {"WinHttpSettings": b"\x18\0\0\0proxy"})
        prepared(guest, target, PrepareOptions())
        assert (value(guest, rf"SOFTWARE\{key}\WinHttpSettings") is not None) == stays


def test_serial_console_goes_with_the_cloud(tmp_path: Path, library: PrepareOptions) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    facts = inspect(guest).windows
    assert facts is not None
    loader = rf"BCD\Objects\{facts.boot_loaders[0]}\Elements\260000b0\Element"
    settings = r"BCD\Objects\{0ce4991b-e6b3-4b16-b23c-5e0d9250e5d9}\Elements"
    for target, port in ((Target.AZURE, 1), (Target.GCP, 2)):
        prepared(guest, target, library)
        assert value(guest, loader) == "hex:01"
        assert value(guest, rf"{settings}\15000022\Element") == f"hex:0{port}00000000000000"
    prepared(guest, Target.VSPHERE, library)
    assert value(guest, loader) == "hex:00"
    assert value(guest, rf"{settings}\16000020\Element") == "hex:00"


def test_xen_there_and_back(tmp_path: Path, library: PrepareOptions) -> None:
    """Leaving Xen its drivers and filter rest; coming home, all of it is as it was: not a half."""
    guest = windows_tree(tmp_path, WindowsMaster(tools=Tools.XENSERVER))
    places = [rf"{SERVICES}\{name}\Start" for name in ("xenbus", "xenfilt", "xenvbd", "xensvc")]
    places += [rf"{SYSTEM_CLASS}\UpperFilters"]
    before = {place: value(guest, place) for place in places}
    prepared(guest, Target.AHV, library)
    assert [value(guest, place) for place in places] == [
        "dword:3", "dword:4", "dword:3", "dword:4", None,
    ]  # fmt: skip
    prepared(guest, Target.GCP, library)
    prepared(guest, Target.XENSERVER, library)
    assert {place: value(guest, place) for place in places} == before
    assert value(guest, rf"{SYSTEM_CLASS}\ImageportSavedUpperFilters") is None


def test_a_filter_without_its_tools_does_not_come_back(
    tmp_path: Path, library: PrepareOptions
) -> None:
    guest = windows_tree(tmp_path, WindowsMaster(tools=Tools.XENSERVER))
    prepared(guest, Target.AHV, library)
    with Hive.open(guest.root / "Windows/System32/config/SYSTEM", writable=True) as system:
        assert system.root.delete_key(r"ControlSet001\Services\xenfilt"), "as its uninstaller does"
        system.commit()
    prepared(guest, Target.XENSERVER, library)
    assert value(guest, rf"{SYSTEM_CLASS}\UpperFilters") is None


def test_xen_of_amazon_and_of_xenserver_share_names(tmp_path: Path) -> None:
    """XenServer's tools on AWS: its old machines are Xen, and keep their emulated disks."""
    guest = windows_tree(tmp_path, WindowsMaster(tools=Tools.XENSERVER))
    unplug = rf"{SERVICES}\xenfilt\Unplug"
    leave(guest, "SYSTEM", unplug.removeprefix("SYSTEM\\"), {"DISKS": ["XENVBD"], "NICS": ["X"]})
    prepared(guest, Target.AWS, PrepareOptions())
    assert value(guest, rf"{SERVICES}\xenbus\Start") == "dword:3"
    assert value(guest, rf"{unplug}\DISKS") is None
    assert value(guest, rf"{unplug}\NICS") is None
    amazon = windows_tree(tmp_path / "amazon", WindowsMaster(tools=Tools.XENSERVER))
    with Hive.open(amazon.root / "Windows/System32/config/SOFTWARE", writable=True) as software:
        listed = software.key(r"Microsoft\Windows\CurrentVersion\Uninstall")
        assert listed is not None
        for product in listed.subkeys():
            if "XenServer" in (product.text("DisplayName") or ""):
                product.set_text("DisplayName", "AWS PV Drivers")
        software.commit()
    prepared(amazon, Target.AWS, PrepareOptions())
    assert value(amazon, rf"{SERVICES}\xenbus\Start") == "dword:0"
    assert value(amazon, rf"{SYSTEM_CLASS}\UpperFilters") == "multi:xenfilt"


def test_alignment_on_google(tmp_path: Path, library: PrepareOptions) -> None:
    place = rf"{SERVICES}\vioscsi\Parameters\Device\EnableQueryAccessAlignment"
    for target, expected in ((Target.AHV, None), (Target.GCP, "dword:1")):
        guest = windows_tree(tmp_path / target, WindowsMaster())
        prepared(guest, target, library)
        assert value(guest, place) == expected
