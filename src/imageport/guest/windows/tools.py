"""Guest tools and agents in a Windows guest: how to know them, and where they are at home.

Services are disabled offline and never deleted (their uninstaller needs them); the product goes in
the first boot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from imageport.model.guest_facts import InstalledProduct
from imageport.model.target import Target


@dataclass(frozen=True, slots=True)
class Vendor:
    """The software of one platform; `product` matches names in the list of installed programs."""

    name: str
    kind: str
    home: tuple[Target, ...]
    product: str
    services: tuple[str, ...]
    filters: tuple[str, ...] = ()
    """Drivers that it puts into the filter lists of device classes."""

    def owns(self, product: InstalledProduct) -> bool:
        """True when the product is of this vendor's tools."""
        return re.search(self.product, product.name, re.IGNORECASE) is not None


VENDORS: Final = (
    Vendor(
        "VMware",
        "guest-tools",
        (Target.VSPHERE, Target.PVS),
        r"^VMware Tools$",
        (
            "VMTools", "VGAuthService", "vm3dservice", "vmvss", "VMMemCtl", "vmhgfs", "vmrawdsk",
            "VMUSBArbService", "vmmouse", "vmusbmouse", "VMwareCAFManagementAgentHost",
            "VMwareCAFCommAmqpListener", "vsepflt", "vnetWFP", "vnetflt",
        ),
        ("vsepflt", "vmmouse", "vmusbmouse"),
    ),
    Vendor(
        "XenServer",
        "guest-tools",
        (Target.XENSERVER, Target.PVS),
        r"XenServer (Tools|PV|VM Tools)|^Citrix Xen Windows|Citrix XenServer (Tools|VSS)",
        (
            "xensvc", "xenagent", "XenSvc", "XenBus_Monitor", "xenbus_monitor_9", "xenfilt",
            "xeniface", "xenlite", "xenutil", "xenevtchn", "XenInstall", "xenvss",
        ),
        ("xenfilt", "scsifilt"),
    ),
    Vendor(
        "Nutanix",
        "guest-tools",
        (Target.AHV, Target.PVS),
        r"^Nutanix (Guest Tools|Guest Agent|VM Mobility|Self Service)",
        ("Nutanix Guest Agent", "Nutanix Self Service Restore Gateway", "NutanixVmMobility"),
    ),
    Vendor(
        "QEMU",
        "guest-tools",
        (Target.AHV, Target.GCP, Target.PVS),
        r"^QEMU guest agent|^Virtio-win-guest-tools",
        ("QEMU-GA", "QEMU Guest Agent VSS Provider", "BalloonService"),
    ),
    Vendor(
        "Parallels",
        "guest-tools",
        (),
        r"^Parallels Tools",
        ("prl_tools", "prl_tools_service", "prl_strg", "prl_memdev", "prl_fs"),
        ("prl_strg",),
    ),
    Vendor(
        "Microsoft Azure",
        "agent",
        (Target.AZURE,),
        r"^Windows Azure VM Agent",
        ("WindowsAzureGuestAgent", "RdAgent", "WindowsAzureTelemetryService"),
    ),
    Vendor(
        "Amazon",
        "agent",
        (Target.AWS,),
        r"^Amazon EC2Launch|^EC2ConfigService|^Amazon SSM Agent|^AWS PV Drivers",
        ("Amazon EC2Launch", "Ec2Config", "AmazonSSMAgent", "AWSLiteAgent"),
    ),
    Vendor(
        "Google",
        "agent",
        (Target.GCP,),
        r"^Google (Compute Engine|Osconfig)|^GoogleGet",
        ("GCEAgent", "GCEAgentManager", "google_osconfig_agent", "GCEVssAgent"),
    ),
)  # fmt: skip


def services() -> tuple[str, ...]:
    """Every service named above: what an inspection looks at."""
    return tuple(dict.fromkeys(name for vendor in VENDORS for name in vendor.services))


def foreign(target: Target) -> tuple[Vendor, ...]:
    """The vendors that have nothing to do on `target`."""
    return tuple(vendor for vendor in VENDORS if target not in vendor.home)
