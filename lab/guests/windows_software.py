"""The software of a phony Windows: guest tools, Citrix's parts, agents; products and services."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive
from imageport.model.windows_facts import CitrixPart
from lab.guests.registry_data import Values, put
from lab.guests.windows_spec import Agent, State, Tools, Vda, WindowsMaster

_PROGRAMS: Final = r"C:\Program Files"
_UNINSTALL: Final = r"Microsoft\Windows\CurrentVersion\Uninstall"
_CITRIX: Final = "Citrix Systems, Inc."
EC2LAUNCH: Final = "ProgramData/Amazon/EC2-Windows/Launch/Module/Ec2Launch.psd1"


@dataclass(frozen=True, slots=True)
class Software:
    """A program: its entry in the list of installed programs, and its services' programs."""

    name: str
    version: str
    publisher: str
    services: tuple[tuple[str, str], ...] = ()
    listed: bool = True
    """False for what no list of installed programs knows."""


_TOOLS: Final = {
    Tools.VMWARE: (
        Software(
            "VMware Tools", "12.3.5.22544099", "VMware, Inc.",
            (
                ("VMTools", rf'"{_PROGRAMS}\VMware\VMware Tools\vmtoolsd.exe"'),
                (
                    "VGAuthService",
                    rf'"{_PROGRAMS}\VMware\VMware Tools\VMware VGAuth\VGAuthService.exe"',
                ),
            ),
        ),
    ),
    Tools.XENSERVER: (
        Software(
            "Citrix XenServer Tools Installer", "9.3.3", _CITRIX,
            (("xensvc", rf'"{_PROGRAMS}\Citrix\XenTools\XenGuestAgent.exe"'),),
        ),
    ),
    Tools.NUTANIX: (
        Software(
            "Nutanix Guest Tools", "4.1.0", "Nutanix, Inc.",
            (("Nutanix Guest Agent", rf'"{_PROGRAMS}\Nutanix\Guest Agent\ngt_guest_agent.exe"'),),
        ),
        Software("Nutanix VirtIO", "1.2.3", "Nutanix, Inc."),
    ),
    Tools.NONE: (),
}  # fmt: skip
_VDA: Final = {
    Vda.LTSR_1912: ("7 1912 LTSR CU9", "1912.0.9000.9079", "7.24.9000.5"),
    Vda.LTSR_2203: ("7 2203 LTSR CU5", "2203.0.5000.5100", "7.33.5000.12"),
    Vda.CURRENT: ("7 2402 LTSR", "2402.0.100.629", "7.41.100.18"),
}
"""What the product is called, its version, and that of the parts which count on their own."""
_COMPONENTS: Final[dict[CitrixPart, tuple[str, tuple[str, str] | None]]] = {
    CitrixPart.MISA: (
        "Machine Identity Service Agent",
        ("CitrixMachineIdentityService", rf'"{_PROGRAMS}\Citrix\MCS\MachineIdentityAgent.exe"'),
    ),
    CitrixPart.MCSIO: ("Citrix MCS IO", None),
    CitrixPart.PVS_TARGET: (
        "Citrix Provisioning Target Device x64",
        ("BNDevice", rf'"{_PROGRAMS}\Citrix\Provisioning Services\BNDevice.exe"'),
    ),
    CitrixPart.UPL: (
        "Citrix User Personalization Layer",
        ("UniService", rf'"{_PROGRAMS}\Unidesk\Uniservice\UniService.exe"'),
    ),
}
_AGENTS: Final = {
    Agent.AZURE: Software(
        "Windows Azure VM Agent", "2.7.41491.1095", "Microsoft Corporation",
        (
            (
                "WindowsAzureGuestAgent",
                r"C:\WindowsAzure\GuestAgent_2.7.41491.1095_2024-01-10_101010\GuestAgent"
                r"\WindowsAzureGuestAgent.exe",
            ),
            ("RdAgent", r"C:\WindowsAzure\Packages\WaAppAgent.exe"),
        ),
        listed=False,
    ),
    Agent.EC2LAUNCH_V2: Software(
        "Amazon EC2Launch", "2.0.1815", "Amazon Web Services",
        (("Amazon EC2Launch", rf'"{_PROGRAMS}\Amazon\EC2Launch\EC2Launch.exe" service'),),
    ),
    Agent.EC2CONFIG: Software(
        "EC2ConfigService", "4.9.5777", "Amazon Web Services",
        (("Ec2Config", rf'"{_PROGRAMS}\Amazon\Ec2ConfigService\Ec2Config.exe"'),),
    ),
    Agent.SSM: Software(
        "Amazon SSM Agent", "3.2.2016.0", "Amazon Web Services",
        (("AmazonSSMAgent", rf'"{_PROGRAMS}\Amazon\SSM\amazon-ssm-agent.exe"'),),
    ),
    Agent.GOOGLE: Software(
        "Google Compute Engine Agent", "20240109.00", "Google LLC",
        (("GCEAgent", rf'"{_PROGRAMS}\Google\Compute Engine\agent\GCEWindowsAgent.exe"'),),
        listed=False,
    ),
}  # fmt: skip
_ANTIVIRUS: Final = Software(
    "Symantec Endpoint Protection", "14.3.9816.7000", "Broadcom",
    (("SepMasterService", rf'"{_PROGRAMS}\Symantec\Symantec Endpoint Protection\ccSvcHst.exe"'),),
)  # fmt: skip


def software(master: WindowsMaster) -> Iterator[Software]:
    """Everything that is installed."""
    yield from _TOOLS[master.tools]
    yield from _citrix(master)
    yield from (_AGENTS[agent] for agent in master.agents if agent in _AGENTS)
    if master.state is State.ANTIVIRUS:
        yield _ANTIVIRUS


def _citrix(master: WindowsMaster) -> Iterator[Software]:
    if master.vda is Vda.NONE:
        return
    name, version, part_version = _VDA[master.vda]
    broker = rf'"{_PROGRAMS}\Citrix\Virtual Desktop Agent\BrokerAgent.exe"'
    title = f"Citrix Virtual Apps and Desktops {name} - Virtual Delivery Agent"
    yield Software(title, version, _CITRIX, (("BrokerAgent", broker),))
    for part in master.components:
        product, service = _COMPONENTS[part]
        yield Software(product, part_version, _CITRIX, (service,) if service else ())


def services(master: WindowsMaster) -> Iterator[tuple[str, str]]:
    """Their services: name and `ImagePath`."""
    for each in software(master):
        yield from each.services


def put_products(hive: Hive, master: WindowsMaster) -> None:
    """Their entries in SOFTWARE, and the VDA's own settings."""
    for each in software(master):
        if each.listed:
            _put_product(hive, each)
    if master.vda is not Vda.NONE:
        controllers = {"ListOfDDCs": "ddc1.corp.example ddc2.corp.example"}
        put(hive, r"Citrix\VirtualDesktopAgent", controllers)


def write_agents(root: Path, master: WindowsMaster) -> None:
    """EC2Launch v1 is a PowerShell module and a scheduled task: nothing of it is listed."""
    if Agent.EC2LAUNCH_V1 in master.agents:
        module = root / EC2LAUNCH
        module.parent.mkdir(parents=True)
        module.write_text("@{\r\n    ModuleVersion = '1.3.2004592'\r\n}\r\n", newline="")


def component_key(part: CitrixPart) -> str:
    """Where SOFTWARE lists the part."""
    return f"{_UNINSTALL}\\{_guid(_COMPONENTS[part][0])}"


def _guid(name: str) -> str:
    return f"{{{uuid.uuid5(uuid.NAMESPACE_DNS, name)}}}".upper()


def _put_product(hive: Hive, each: Software) -> None:
    guid = _guid(each.name)
    place = f"{_UNINSTALL}\\{guid}"
    # VMware's own entry says /I (install) where /X (remove) is meant.
    command = f"MsiExec.exe /{'I' if 'VMware' in each.name else 'X'}{guid}"
    listed: Values = {"DisplayName": each.name, "DisplayVersion": each.version}
    put(hive, place, {**listed, "Publisher": each.publisher, "UninstallString": command})
