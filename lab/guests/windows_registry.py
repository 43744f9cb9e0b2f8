"""The registry of a phony Windows: the keys that a migration reads and changes."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive
from lab.guests.blank_hive import blank_hive
from lab.guests.registry_data import Values, put
from lab.guests.windows_domain import fill_security, put_membership
from lab.guests.windows_drivers import HDC, NET, SCSI, SYSTEM, Driver, drivers
from lab.guests.windows_software import put_products, services
from lab.guests.windows_spec import RELEASES, Release, Tools, WindowsMaster
from lab.guests.windows_states import leave_registry

HIVES: Final = ("SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT")
_SET: Final = "ControlSet001"
_DISK_DRIVE: Final = "{4d36e967-e325-11ce-bfc1-08002be10318}"
_VOLUME: Final = "{71a27cdd-812a-11d0-bec7-08002be2092f}"
_FIRST_WITH_DISPLAY_VERSION: Final = 19042
_NIC: Final = "{5b4f1d5e-2a5a-4a7b-9d3e-0c50561ab2c3}"


def write_hives(master: WindowsMaster, folder: Path, drives: Values) -> None:
    """Write the files SYSTEM, SOFTWARE, SAM, SECURITY and DEFAULT into `folder`.

    `drives` is what Windows remembers of its volumes (`MountedDevices`).
    """
    for name in HIVES:
        (folder / name).write_bytes(blank_hive("ROOT", name))
    with Hive.open(folder / "SYSTEM", writable=True) as hive:
        put(hive, "MountedDevices", drives)
        _fill_system(hive, master)
        leave_registry(hive, "SYSTEM", master)
        hive.commit()
    with Hive.open(folder / "SOFTWARE", writable=True) as hive:
        _fill_software(hive, master)
        leave_registry(hive, "SOFTWARE", master)
        hive.commit()
    with Hive.open(folder / "SECURITY", writable=True) as hive:
        fill_security(hive, master)
        hive.commit()
    for name, path in (("SAM", r"SAM\Domains\Account\Users"), ("DEFAULT", "Software")):
        with Hive.open(folder / name, writable=True) as hive:
            hive.ensure_key(path)
            hive.commit()


def _fill_system(hive: Hive, master: WindowsMaster) -> None:
    put(hive, "Select", {"Current": 1, "Default": 1, "Failed": 0, "LastKnownGood": 1})
    put(hive, "Setup", {"SystemSetupInProgress": 0, "SetupType": 0, "CmdLine": ""})
    _fill_control(hive, master)
    _fill_classes(hive, master)
    for driver in drivers(master):
        _put_driver(hive, driver)
    put(hive, "DriverDatabase", {"Version": 0x0A000000, "Architecture": 9})
    for name, image in services(master):
        own: Values = {"Type": 0x10, "Start": 2, "ObjectName": "LocalSystem"}
        _put_service(hive, name, image, own)
    servicing: Values = {"Type": 0x10, "Start": 3, "ObjectName": "LocalSystem"}
    _put_service(
        hive, "TrustedInstaller", r"%SystemRoot%\servicing\TrustedInstaller.exe", servicing
    )
    shared = r"%SystemRoot%\System32\svchost.exe -k NetworkService"
    for name, start in (("TermService", 3), ("Dnscache", 2), ("Dhcp", 2), ("MpsSvc", 2)):
        account: Values = {"ObjectName": r"NT Authority\NetworkService"}
        _put_service(hive, name, shared, {"Type": 0x20, "Start": start, **account})
    _fill_network(hive, master)
    if master.joined:
        put_membership(hive, _SET)


def _fill_control(hive: Hive, master: WindowsMaster) -> None:
    control = f"{_SET}\\Control"
    order = ["Boot Bus Extender", "System Bus Extender", "SCSI miniport", "Volume", "SCSI Class"]
    crash = {"AutoReboot": int(master.auto_reboot), "CrashDumpEnabled": 7}
    name = {"ComputerName": master.computer_name}
    listener = {"PortNumber": 3389, "UserAuthentication": 1, "SecurityLayer": 2}
    put(hive, f"{control}\\ComputerName\\ComputerName", dict(name))
    put(hive, f"{control}\\CrashControl", dict(crash))
    put(hive, f"{control}\\Power", {"HibernateEnabled": 1})
    put(hive, f"{control}\\ServiceGroupOrder", {"List": order})
    put(hive, f"{control}\\Session Manager", {"BootExecute": ["autocheck autochk *"]})
    put(hive, f"{control}\\Session Manager\\Environment", {"PROCESSOR_ARCHITECTURE": "AMD64"})
    # On as after an installation; without hiberfil.sys it means nothing.
    put(hive, f"{control}\\Session Manager\\Power", {"HiberbootEnabled": 1})
    memory = f"{control}\\Session Manager\\Memory Management"
    put(hive, memory, {"PagingFiles": ["?:\\pagefile.sys"]})
    put(hive, f"{control}\\Terminal Server", {"fDenyTSConnections": 1})
    put(hive, f"{control}\\Terminal Server\\WinStations\\RDP-Tcp", dict(listener))
    put(hive, f"{control}\\TimeZoneInformation", {"TimeZoneKeyName": "W. Europe Standard Time"})


def _fill_classes(hive: Hive, master: WindowsMaster) -> None:
    classes = f"{_SET}\\Control\\Class"
    titles = {HDC: "hdc", SCSI: "SCSIAdapter", NET: "Net", SYSTEM: "System"}
    for guid, title in titles.items():
        put(hive, f"{classes}\\{guid}", {"Class": title})
    put(hive, f"{classes}\\{_DISK_DRIVE}", {"Class": "DiskDrive", "UpperFilters": ["partmgr"]})
    volume: Values = {"UpperFilters": ["volsnap"], "LowerFilters": ["fvevol"]}
    put(hive, f"{classes}\\{_VOLUME}", {"Class": "Volume", **volume})
    if master.tools is Tools.XENSERVER:
        for guid in (HDC, SYSTEM):
            put(hive, f"{classes}\\{guid}", {"UpperFilters": ["xenfilt"]})


def _put_driver(hive: Hive, driver: Driver) -> None:
    service = f"{_SET}\\Services\\{driver.service}"
    settings: Values = {"Type": 1, "Start": driver.start, "ErrorControl": 1}
    put(hive, service, {**settings, "Group": driver.group, "ImagePath": driver.image})
    if driver.override is not None:
        put(hive, f"{service}\\StartOverride", {"0": driver.override})
    for device in driver.ids:
        _put_in_database(hive, driver, device)


def _put_in_database(hive: Hive, driver: Driver, device: str) -> None:
    label = f"{driver.inf}_amd64_{uuid.uuid5(uuid.NAMESPACE_DNS, driver.inf).hex[:16]}"
    package = f"DriverDatabase\\DriverPackages\\{label}"
    class_guid = uuid.UUID(driver.device_class).bytes_le
    version = bytes.fromhex("00ff090000000000") + class_guid + bytes(24)
    install = f"{driver.service}_Inst"
    active: Values = {"": [label], "Active": label}
    put(hive, f"DriverDatabase\\DriverInfFiles\\{driver.inf}", active)
    put(hive, f"DriverDatabase\\DeviceIds\\{device}", {driver.inf: bytes.fromhex("01ff0000")})
    provider = "imageport lab" if driver.inf.startswith("oem") else "Microsoft"
    named: Values = {"": label, "InfName": driver.inf, "Provider": provider}
    put(hive, package, {**named, "Version": version})
    configuration: Values = {"ConfigFlags": 0, "Service": driver.service}
    put(hive, f"{package}\\Configurations\\{install}", configuration)
    put(hive, f"{package}\\Descriptors\\{device}", {"Configuration": install})


def _put_service(hive: Hive, name: str, image: str, settings: Values) -> None:
    place = f"{_SET}\\Services\\{name}"
    put(hive, place, {"ErrorControl": 1, "ImagePath": image, **settings})


def _fill_network(hive: Hive, master: WindowsMaster) -> None:
    parameters = f"{_SET}\\Services\\Tcpip\\Parameters"
    put(hive, parameters, {"Hostname": master.computer_name, "Domain": ""})
    address: Values = {
        "EnableDHCP": 0, "IPAddress": ["10.20.30.40"], "SubnetMask": ["255.255.255.0"],
        "DefaultGateway": ["10.20.30.1"], "NameServer": "10.20.30.2",
    } if master.static_address else {"EnableDHCP": 1}  # fmt: skip
    put(hive, f"{parameters}\\Interfaces\\{_NIC}", address)
    policy = f"{_SET}\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
    for profile in ("DomainProfile", "PublicProfile", "StandardProfile"):
        put(hive, f"{policy}\\{profile}", {"EnableFirewall": 1})
    rule = (
        "v2.31|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=3389|App=System|"
        "Name=@FirewallAPI.dll,-28775|EmbedCtxt=@FirewallAPI.dll,-28752|"
    )
    put(hive, f"{policy}\\FirewallRules", {"RemoteDesktop-UserMode-In-TCP": rule})


def _fill_software(hive: Hive, master: WindowsMaster) -> None:
    current = r"Microsoft\Windows\CurrentVersion"
    put(hive, r"Microsoft\Windows NT\CurrentVersion", _version(RELEASES[master.product]))
    folders: Values = {"DevicePath": r"%SystemRoot%\inf", "ProgramFilesDir": r"C:\Program Files"}
    put(hive, current, folders)
    put(hive, f"{current}\\RunOnce", {})
    put(hive, f"{current}\\Setup\\State", {"ImageState": "IMAGE_STATE_COMPLETE"})
    put_products(hive, master)


def _version(release: Release) -> Values:
    named = "DisplayVersion" if int(release.build) >= _FIRST_WITH_DISPLAY_VERSION else "ReleaseId"
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
        named: release.display_version,
        "SystemRoot": "C:\\Windows",
        "ProductId": "00000-00000-00000-AA000",
        "BuildLabEx": f"{release.build}.1.amd64fre.lab_release.240101-0000",
    }
