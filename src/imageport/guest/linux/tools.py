"""Software in a Linux guest that belongs to one platform: how to know it, where it is at home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imageport.model.target import Target


@dataclass(frozen=True, slots=True)
class Tool:
    """A package; `kind` is `guest-tools` or `agent`, `evidence` a file that only it brings."""

    package: str
    kind: str
    vendor: str
    home: tuple[Target, ...]
    evidence: str
    units: tuple[str, ...] = ()


TOOLS: Final = (
    Tool(
        "open-vm-tools",
        "guest-tools",
        "VMware",
        (Target.VSPHERE, Target.PVS),
        "usr/bin/vmtoolsd",
        ("open-vm-tools.service", "vgauth.service", "vmtoolsd.service", "vgauthd.service"),
    ),
    Tool(
        "xe-guest-utilities",
        "guest-tools",
        "XenServer",
        (Target.XENSERVER, Target.PVS),
        "usr/sbin/xe-daemon",
        ("xe-daemon.service", "xe-linux-distribution.service"),
    ),
    Tool("walinuxagent", "agent", "Microsoft", (Target.AZURE,), "usr/sbin/waagent"),
    Tool("google-guest-agent", "agent", "Google", (Target.GCP,), "usr/bin/google_guest_agent"),
    Tool("amazon-ssm-agent", "agent", "Amazon", (Target.AWS,), "usr/bin/amazon-ssm-agent"),
    Tool(
        "cloud-init",
        "agent",
        "Canonical",
        tuple(Target),
        "usr/bin/cloud-init",
    ),
)
