r"""How to know the software that matters: Citrix's parts, platforms' agents, antivirus.

Names of services and of entries in the list of installed programs, as their installers write them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from imageport.model.guest_facts import InstalledProduct
from imageport.model.windows_facts import CitrixPart


@dataclass(frozen=True, slots=True)
class Known:
    """One piece of software; any of product (a pattern), services and files is enough."""

    name: str
    vendor: str
    product: str | None = None
    services: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def owns(self, product: InstalledProduct) -> bool:
        """True when that entry of the list of installed programs is this software."""
        pattern = self.product
        return pattern is not None and re.search(pattern, product.name, re.IGNORECASE) is not None


CITRIX: Final = {
    CitrixPart.VDA: Known(
        "Virtual Delivery Agent", "Citrix", r"Virtual Delivery Agent", ("BrokerAgent",)
    ),
    CitrixPart.MISA: Known(
        "Machine Identity Service Agent",
        "Citrix",
        r"Machine Identity Service Agent",
        ("CitrixMachineIdentityService",),
    ),
    CitrixPart.MCSIO: Known("MCS IO", "Citrix", r"\bMCS ?IO\b", ("CVhdMp",)),
    CitrixPart.PVS_TARGET: Known(
        "Provisioning target device",
        "Citrix",
        r"Provisioning (Services )?Target Device",
        ("bnistack", "BNDevice"),
    ),
    CitrixPart.UPL: Known(
        "User Personalization Layer", "Citrix", r"User Personali[sz]ation Layer"
    ),
}  # fmt: skip
PVS_STACK: Final = "bnistack"
"""The driver that streams a vDisk, at boot (`bnistack6.sys`): without it no device starts."""
PVS_DRIVERS: Final = (PVS_STACK, "CFsDep2", "CVhdMp", "cnicteam")
"""The target device's drivers; which of them a release has differs."""
AGENTS: Final = (
    Known(
        "Azure guest agent",
        "Microsoft Azure",
        r"^Windows Azure VM Agent",
        ("WindowsAzureGuestAgent",),
    ),
    Known("EC2Launch v2", "Amazon", r"^Amazon EC2Launch", ("Amazon EC2Launch",)),
    # Version 1 is a PowerShell module with a scheduled task: neither product nor service.
    Known(
        "EC2Launch v1",
        "Amazon",
        files=(r"ProgramData\Amazon\EC2-Windows\Launch\Module\Ec2Launch.psd1",),
    ),
    Known("EC2Config", "Amazon", r"^EC2ConfigService", ("Ec2Config",)),
    Known("SSM agent", "Amazon", r"^Amazon SSM Agent", ("AmazonSSMAgent",)),
    Known("Google guest agent", "Google", r"^Google Compute Engine (Agent|Windows)", ("GCEAgent",)),
    Known("Google OS Config agent", "Google", r"^Google Osconfig", ("google_osconfig_agent",)),
    Known("Nutanix Guest Tools", "Nutanix", r"^Nutanix Guest Tools", ("Nutanix Guest Agent",)),
    Known("cloudbase-init", "Cloudbase", r"^Cloudbase-Init", ("cloudbase-init",)),
)
ANTIVIRUS: Final = (
    Known("Symantec Endpoint Protection", "Broadcom", None, ("SepMasterService",)),
    Known("Trellix (McAfee) Endpoint Security", "Trellix", None, ("mfefire", "mfemms", "McShield")),
    Known("Trend Micro Apex One", "Trend Micro", None, ("ntrtscan", "TMBMServer")),
    Known("Trend Micro Deep Security", "Trend Micro", None, ("ds_agent",)),
    Known("Sophos Endpoint", "Sophos", None, ("SAVService", "Sophos Endpoint Defense Service")),
    Known("CrowdStrike Falcon", "CrowdStrike", None, ("CSFalconService",)),
    Known("SentinelOne", "SentinelOne", None, ("SentinelAgent",)),
    Known("Carbon Black", "Broadcom", None, ("CbDefense", "CarbonBlack")),
    Known("Cortex XDR", "Palo Alto Networks", None, ("cyserver",)),
    Known("ESET", "ESET", None, ("ekrn",)),
    Known("Kaspersky Endpoint Security", "Kaspersky", None, ("AVP", "klnagent")),
    Known("Bitdefender", "Bitdefender", None, ("EPSecurityService", "VSSERV")),
    Known("Cylance", "BlackBerry", None, ("CylanceSvc",)),
    Known("Malwarebytes", "Malwarebytes", None, ("MBAMService", "MBEndpointAgent")),
    Known("WithSecure (F-Secure)", "WithSecure", None, ("fshoster", "fsulhoster")),
    Known("Webroot", "OpenText", None, ("WRSVC",)),
)
