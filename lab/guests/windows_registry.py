"""The registry of a phony Windows: the keys that a migration reads and changes."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive
from imageport.guest.windows.registry_value import Value
from imageport.model.target import Firmware
from lab.guests.blank_hive import blank_hive
from lab.guests.windows_drivers import HDC, NET, SCSI, SYSTEM, Driver, drivers
from lab.guests.windows_spec import RELEASES, Release, Tools, WindowsMaster

HIVES: Final = ("SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT")
_SET: Final = "ControlSet001"
_DISK_DRIVE: Final = "{4d36e967-e325-11ce-bfc1-08002be10318}"
_VOLUME: Final = "{71a27cdd-812a-11d0-bec7-08002be2092f}"
_LOADER: Final = "{b2721d73-1db4-4c62-bf78-c548a880142d}"
_BOOT_MANAGER: Final = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
_Data = int | str | bytes | list[str]
_STATIC_NIC: Final = "{5b4f1d5e-2a5a-4a7b-9d3e-0c50561ab2c3}"


_TOOL_SERVICES: Final = {
    Tools.VMWARE: {
        "VMTools": r'"C:\Program Files\VMware\VMware Tools\vmtoolsd.exe"',
        "VGAuthService": r'"C:\Program Files\VMware\VMware Tools\VMware VGAuth\VGAuthService.exe"',
    },
    Tools.XENSERVER: {"xensvc": r'"C:\Program Files\Citrix\XenTools\XenGuestAgent.exe"'},
    Tools.NONE: {},
}
_TOOL_PRODUCTS: Final = {
    Tools.VMWARE: ("VMware Tools", "12.3.5.22544099", "VMware, Inc."),
    Tools.XENSERVER: ("Citrix XenServer Tools Installer", "9.3.3", "Citrix Systems, Inc."),
}
_VDA_PRODUCTS: Final = (
    ("Citrix Virtual Apps and Desktops 7 2402 LTSR - Virtual Delivery Agent", "2402.0.100.629"),
    ("Machine Identity Service Agent", "7.41.100.18"),
)
_VDA_SERVICES: Final = {
    "BrokerAgent": r'"C:\Program Files\Citrix\Virtual Desktop Agent\BrokerAgent.exe"',
    "CitrixMachineIdentityService": r'"C:\Program Files\Citrix\MCS\MachineIdentityAgent.exe"',
}


def write_hives(master: WindowsMaster, folder: Path) -> None:
    """Write the files SYSTEM, SOFTWARE, SAM, SECURITY and DEFAULT into `folder`."""
    for name in HIVES:
        (folder / name).write_bytes(blank_hive("ROOT", name))
    with Hive.open(folder / "SYSTEM", writable=True) as hive:
        _fill_system(hive, master)
        hive.commit()
    with Hive.open(folder / "SOFTWARE", writable=True) as hive:
        _fill_software(hive, master)
        hive.commit()
    for name, path in (
        ("SAM", r"SAM\Domains\Account\Users"), ("SECURITY", "Policy"), ("DEFAULT", "Software"),
    ):  # fmt: skip
        with Hive.open(folder / name, writable=True) as hive:
            hive.ensure_key(path)
            hive.commit()


def write_bcd(file: Path, firmware: Firmware) -> None:
    """Write a boot configuration store: the boot manager and one loader that it starts."""
    file.write_bytes(blank_hive("NewStoreRoot", "BCD"))
    program = "winload.efi" if firmware is Firmware.UEFI else "winload.exe"
    manager, loader = f"Objects\\{_BOOT_MANAGER}", f"Objects\\{_LOADER}"
    with Hive.open(file, writable=True) as hive:
        _put(hive, "Description", {"KeyName": "BCD00000000", "System": 1})
        _put(hive, f"{manager}\\Description", {"Type": 0x10100002})
        _put(hive, f"{manager}\\Elements\\23000003", {"Element": _LOADER})
        _put(hive, f"{manager}\\Elements\\24000001", {"Element": [_LOADER]})
        _put(hive, f"{manager}\\Elements\\25000004", {"Element": struct.pack("<Q", 30)})
        _put(hive, f"{loader}\\Description", {"Type": 0x10200003})
        _put(hive, f"{loader}\\Elements\\12000002", {"Element": f"\\Windows\\system32\\{program}"})
        _put(hive, f"{loader}\\Elements\\12000004", {"Element": "Windows"})
        _put(hive, f"{loader}\\Elements\\16000009", {"Element": b"\1"})
        _put(hive, f"{loader}\\Elements\\22000002", {"Element": "\\Windows"})
        hive.commit()


def _put(hive: Hive, path: str, values: dict[str, _Data]) -> None:
    key = hive.ensure_key(path)
    for name, data in values.items():
        key.set(_value(name, data))


def _value(name: str, data: _Data) -> Value:
    match data:
        case int():
            return Value.from_dword(name, data)
        case str():
            return Value.from_text(name, data, expand="%" in data)
        case bytes():
            return Value.from_binary(name, data)
        case list():
            return Value.from_strings(name, data)


def _fill_system(hive: Hive, master: WindowsMaster) -> None:
    _put(hive, "Select", {"Current": 1, "Default": 1, "Failed": 0, "LastKnownGood": 1})
    _put(hive, "MountedDevices", {"\\DosDevices\\C:": b"DMIO:ID:" + bytes(16)})
    _put(hive, "Setup", {"SystemSetupInProgress": 0, "SetupType": 0, "CmdLine": ""})
    _fill_control(hive, master)
    _fill_classes(hive, master)
    for driver in drivers(master):
        _put_driver(hive, driver)
    _put(hive, "DriverDatabase", {"Version": 0x0A000000, "Architecture": 9})
    services = _TOOL_SERVICES[master.tools] | (_VDA_SERVICES if master.vda else {})
    for name, image in services.items():
        own: dict[str, _Data] = {"Type": 0x10, "Start": 2, "ObjectName": "LocalSystem"}
        _put_service(hive, name, image, own)
    shared = r"%SystemRoot%\System32\svchost.exe -k NetworkService"
    for name, start in (("TermService", 3), ("Dnscache", 2), ("Dhcp", 2), ("MpsSvc", 2)):
        account: dict[str, _Data] = {"ObjectName": r"NT Authority\NetworkService"}
        _put_service(hive, name, shared, {"Type": 0x20, "Start": start, **account})
    _fill_network(hive, master)


def _fill_control(hive: Hive, master: WindowsMaster) -> None:
    control = f"{_SET}\\Control"
    order = ["Boot Bus Extender", "System Bus Extender", "SCSI miniport", "Volume", "SCSI Class"]
    crash = {"AutoReboot": int(master.auto_reboot), "CrashDumpEnabled": 7}
    name = {"ComputerName": master.computer_name}
    listener = {"PortNumber": 3389, "UserAuthentication": 1, "SecurityLayer": 2}
    _put(hive, f"{control}\\ComputerName\\ComputerName", dict(name))
    _put(hive, f"{control}\\CrashControl", dict(crash))
    _put(hive, f"{control}\\Power", {"HibernateEnabled": 1})
    _put(hive, f"{control}\\ServiceGroupOrder", {"List": order})
    _put(hive, f"{control}\\Session Manager", {"BootExecute": ["autocheck autochk *"]})
    memory = f"{control}\\Session Manager\\Memory Management"
    _put(hive, memory, {"PagingFiles": ["?:\\pagefile.sys"]})
    _put(hive, f"{control}\\Terminal Server", {"fDenyTSConnections": 1})
    _put(hive, f"{control}\\Terminal Server\\WinStations\\RDP-Tcp", dict(listener))
    _put(hive, f"{control}\\TimeZoneInformation", {"TimeZoneKeyName": "W. Europe Standard Time"})


def _fill_classes(hive: Hive, master: WindowsMaster) -> None:
    classes = f"{_SET}\\Control\\Class"
    titles = {HDC: "hdc", SCSI: "SCSIAdapter", NET: "Net", SYSTEM: "System"}
    for guid, title in titles.items():
        _put(hive, f"{classes}\\{guid}", {"Class": title})
    _put(hive, f"{classes}\\{_DISK_DRIVE}", {"Class": "DiskDrive", "UpperFilters": ["partmgr"]})
    volume: dict[str, _Data] = {"UpperFilters": ["volsnap"], "LowerFilters": ["fvevol"]}
    _put(hive, f"{classes}\\{_VOLUME}", {"Class": "Volume", **volume})
    if master.tools is Tools.XENSERVER:
        for guid in (HDC, SYSTEM):
            _put(hive, f"{classes}\\{guid}", {"UpperFilters": ["xenfilt"]})


def _put_driver(hive: Hive, driver: Driver) -> None:
    service = f"{_SET}\\Services\\{driver.service}"
    settings: dict[str, _Data] = {"Type": 1, "Start": driver.start, "ErrorControl": 1}
    _put(hive, service, {**settings, "Group": driver.group, "ImagePath": driver.image})
    if driver.override is not None:
        _put(hive, f"{service}\\StartOverride", {"0": driver.override})
    for device in driver.ids:
        _put_in_database(hive, driver, device)


def _put_in_database(hive: Hive, driver: Driver, device: str) -> None:
    label = f"{driver.inf}_amd64_{uuid.uuid5(uuid.NAMESPACE_DNS, driver.inf).hex[:16]}"
    package = f"DriverDatabase\\DriverPackages\\{label}"
    class_guid = uuid.UUID(driver.device_class).bytes_le
    version = bytes.fromhex("00ff090000000000") + class_guid + bytes(24)
    install = f"{driver.service}_Inst"
    active: dict[str, _Data] = {"": [label], "Active": label}
    _put(hive, f"DriverDatabase\\DriverInfFiles\\{driver.inf}", active)
    _put(hive, f"DriverDatabase\\DeviceIds\\{device}", {driver.inf: bytes.fromhex("01ff0000")})
    _put(hive, package, {"": label, "InfName": driver.inf, "Version": version})
    configuration: dict[str, _Data] = {"ConfigFlags": 0, "Service": driver.service}
    _put(hive, f"{package}\\Configurations\\{install}", configuration)
    _put(hive, f"{package}\\Descriptors\\{device}", {"Configuration": install})


def _put_service(hive: Hive, name: str, image: str, settings: dict[str, _Data]) -> None:
    place = f"{_SET}\\Services\\{name}"
    _put(hive, place, {"ErrorControl": 1, "ImagePath": image, **settings})


def _fill_network(hive: Hive, master: WindowsMaster) -> None:
    parameters = f"{_SET}\\Services\\Tcpip\\Parameters"
    _put(hive, parameters, {"Hostname": master.computer_name, "Domain": "corp.example"})
    address: dict[str, _Data] = {
        "EnableDHCP": 0, "IPAddress": ["10.20.30.40"], "SubnetMask": ["255.255.255.0"],
        "DefaultGateway": ["10.20.30.1"], "NameServer": "10.20.30.2",
    }  # fmt: skip
    _put(hive, f"{parameters}\\Interfaces\\{_STATIC_NIC}", address)
    policy = f"{_SET}\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
    for profile in ("DomainProfile", "PublicProfile", "StandardProfile"):
        _put(hive, f"{policy}\\{profile}", {"EnableFirewall": 1})
    rule = (
        "v2.31|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=3389|App=System|"
        "Name=@FirewallAPI.dll,-28775|EmbedCtxt=@FirewallAPI.dll,-28752|"
    )
    _put(hive, f"{policy}\\FirewallRules", {"RemoteDesktop-UserMode-In-TCP": rule})


def _fill_software(hive: Hive, master: WindowsMaster) -> None:
    current = r"Microsoft\Windows\CurrentVersion"
    _put(hive, r"Microsoft\Windows NT\CurrentVersion", _version(RELEASES[master.product]))
    folders: dict[str, _Data] = {"DevicePath": r"%SystemRoot%\inf"}
    _put(hive, current, {**folders, "ProgramFilesDir": r"C:\Program Files"})
    _put(hive, f"{current}\\RunOnce", {})
    if master.tools in _TOOL_PRODUCTS:
        _put_product(hive, *_TOOL_PRODUCTS[master.tools])
    if master.vda:
        for name, version in _VDA_PRODUCTS:
            _put_product(hive, name, version, "Citrix Systems, Inc.")
        controllers: dict[str, _Data] = {"ListOfDDCs": "ddc1.corp.example ddc2.corp.example"}
        _put(hive, r"Citrix\VirtualDesktopAgent", controllers)


def _version(release: Release) -> dict[str, _Data]:
    return {
        "ProductName": release.product_name,
        "CurrentVersion": "6.3",
        "CurrentMajorVersionNumber": 10,
        "CurrentMinorVersionNumber": 0,
        "CurrentBuild": release.build,
        "CurrentBuildNumber": release.build,
        "UBR": 1607,
        "InstallationType": release.installation_type,
        "EditionID": release.edition,
        "DisplayVersion": release.display_version,
        "SystemRoot": "C:\\Windows",
        "ProductId": "00000-00000-00000-AA000",
        "BuildLabEx": f"{release.build}.1.amd64fre.lab_release.240101-0000",
    }


def _put_product(hive: Hive, name: str, version: str, publisher: str) -> None:
    guid = f"{{{uuid.uuid5(uuid.NAMESPACE_DNS, name)}}}".upper()
    place = f"Microsoft\\Windows\\CurrentVersion\\Uninstall\\{guid}"
    # VMware's own entry says /I (install) where /X (remove) is meant.
    command = f"MsiExec.exe /{'I' if 'VMware' in name else 'X'}{guid}"
    listed: dict[str, _Data] = {"DisplayName": name, "DisplayVersion": version}
    _put(hive, place, {**listed, "Publisher": publisher, "UninstallString": command})
