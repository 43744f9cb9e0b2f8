"""Guest tools and agents in a Windows guest: how to know them, and where they are at home.

Services are disabled offline and never deleted (their uninstaller needs them); the product goes in
the first boot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    drivers: tuple[str, ...] = ()
    """Drivers of its platform's devices: they start no more by themselves, and a device that is
    there after all, or the uninstaller, may still start them."""

    def owns(self, product: InstalledProduct) -> bool:
        """True when the product is of this vendor's tools."""
        return re.search(self.product, product.name, re.IGNORECASE) is not None


DISABLED: Final = 4
ON_DEMAND: Final = 3
_XEN_DRIVERS: Final = ("xenbus", "xeniface", "xenvbd", "xenvif", "xennet", "xennet6")
"""XenServer's and Amazon's own are built from the same source, under the same names."""
VENDORS: Final = (
    Vendor(
        "VMware",
        "guest-tools",
        (Target.VSPHERE, Target.PVS),
        r"^VMware Tools$",
        (
            "VMTools", "VGAuthService", "vm3dservice", "vmvss", "VMMemCtl", "vmhgfs", "vmrawdsk",
            "VMUSBArbService", "vmmouse", "vmusbmouse", "VMwareCAFManagementAgentHost",
            "VMwareCAFCommAmqpListener", "vsepflt", "vnetWFP", "vnetflt", "vmStatsProvider",
            "VMUpgradeHelper", "VMware Physical Disk Helper Service", "giappdef", "glxgi",
        ),
        ("vsepflt", "vmmouse", "vmusbmouse"),
        ("vmci", "vsock", "vm3dmp", "vm3dmp-debug", "vm3dmp-stats", "vm3dmp_loader"),
    ),
    Vendor(
        "XenServer",
        "guest-tools",
        (Target.XENSERVER, Target.PVS),
        r"XenServer (Tools|PV|VM Tools)|^Citrix Xen Windows|Citrix XenServer (Tools|VSS)"
        r"|^Citrix (Hypervisor|VM Tools)",
        (
            "xensvc", "xenagent", "XenBus_Monitor", "xenbus_monitor_9", "xenfilt", "scsifilt",
            "xenlite", "xenutil", "xenevtchn", "XenInstall", "xenvss",
        ),
        ("xenfilt", "scsifilt"),
        _XEN_DRIVERS,
    ),
    Vendor(
        "Nutanix",
        "guest-tools",
        (Target.AHV, Target.PVS),
        r"^Nutanix (Guest Tools|Guest Agent|VM Mobility|Self Service)",
        (
            "Nutanix Guest Agent", "Nutanix Self Service Restore Gateway", "NutanixVmMobility",
            "Nutanix VSS Provider", "Nutanix VSS Hardware Provider",
        ),
    ),
    Vendor(
        "QEMU",
        "guest-tools",
        (Target.AHV, Target.GCP, Target.PVS),
        r"^QEMU guest agent|^Virtio-win-guest-tools",
        ("QEMU-GA", "QEMU Guest Agent VSS Provider", "BalloonService", "vdservice"),
    ),
    Vendor(
        "VirtualBox",
        "guest-tools",
        (),
        r"^Oracle (VM )?VirtualBox Guest Additions",
        ("VBoxService", "VBoxGuest", "VBoxMouse", "VBoxSF"),
        ("VBoxMouse",),
        ("VBoxWddm", "VBoxVideo"),
    ),
    Vendor(
        "Parallels",
        "guest-tools",
        (),
        r"^Parallels Tools",
        (
            "prl_tools", "prl_tools_service", "prl_strg", "prl_memdev", "prl_fs", "prl_boot",
            "prl_time", "prl_uprof", "prl_mouf", "prl_tg", "prl_dd", "prl_sound",
        ),
        ("prl_strg", "prl_mouf"),
        ("prl_pv32", "prl_pv64", "prl_eth5"),
    ),
    Vendor(
        "Microsoft Azure",
        "agent",
        (Target.AZURE,),
        r"^Windows Azure VM Agent",
        (
            "WindowsAzureGuestAgent", "RdAgent", "WindowsAzureTelemetryService",
            "WindowsAzureNetAgentSvc",
        ),
    ),
    Vendor(
        "Amazon",
        "agent",
        (Target.AWS,),
        r"^Amazon EC2Launch|^EC2ConfigService|^Amazon SSM Agent|^Amazon CloudWatch Agent",
        ("Amazon EC2Launch", "Ec2Config", "AmazonSSMAgent", "AmazonCloudWatchAgent"),
    ),
    Vendor(
        "Amazon Xen",
        "guest-tools",
        (Target.AWS,),
        r"^AWS PV Drivers",
        ("AWSLiteAgent", "xenfilt"),
        ("xenfilt",),
        _XEN_DRIVERS,
    ),
    Vendor(
        "Google",
        "agent",
        (Target.GCP,),
        r"^Google (Compute Engine|Osconfig|Cloud Ops Agent)|^GoogleGet",
        (
            "GCEAgent", "GCEAgentManager", "google_osconfig_agent", "GCEVssAgent",
            "GCEVssProvider", "google-cloud-ops-agent",
        ),
    ),
)  # fmt: skip


def services() -> tuple[str, ...]:
    """Every service named above: what an inspection looks at."""
    listed = ((*vendor.services, *vendor.drivers, *vendor.filters) for vendor in VENDORS)
    return tuple(dict.fromkeys(name for names in listed for name in names))


def foreign(target: Target) -> tuple[Vendor, ...]:
    """The vendors that have nothing to do on `target`."""
    return tuple(vendor for vendor in VENDORS if target not in vendor.home)


def stopped(target: Target, installed: Sequence[InstalledProduct]) -> dict[str, int]:
    """The `Start` that foreign services must have on `target`, by their names in lower case.

    `installed` decides over names that two vendors share: who is at home keeps them, unless only
    the other one's product is there.
    """
    present = [vendor for vendor in VENDORS if any(map(vendor.owns, installed))]
    found: dict[str, int] = {}
    for vendor in foreign(target):
        starts = dict.fromkeys(vendor.drivers, ON_DEMAND) | dict.fromkeys(vendor.services, DISABLED)
        for name, start in starts.items():
            owners = [each for each in VENDORS if name in (*each.services, *each.drivers)]
            native = [each for each in owners if target in each.home]
            lone = vendor in present and not any(each in present for each in native)
            if not native or lone:
                found[name.casefold()] = start
    return found
