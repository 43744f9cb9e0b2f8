"""Software in a Linux guest that belongs to one platform: how to know it, where it is at home.

Red Hat and SUSE name packages as Debian does here, walinuxagent excepted.
"""

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

    @property
    def drop_ins(self) -> tuple[str, ...]:
        """Files that keep its units from starting (systemd.unit(5))."""
        return tuple(f"/etc/systemd/system/{unit}.d/imageport.conf" for unit in self.units)


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
    Tool(
        "nutanix-guest-tools",
        "guest-tools",
        "Nutanix",
        (Target.AHV, Target.PVS),
        "usr/local/nutanix/ngt",
        ("ngt_guest_agent.service", "ngt_self_service_restore.service"),
    ),
    Tool(
        "qemu-guest-agent",
        "guest-tools",
        "QEMU",
        (Target.AHV, Target.PVS),
        "usr/sbin/qemu-ga",
        ("qemu-guest-agent.service",),
    ),
    Tool(
        "walinuxagent",
        "agent",
        "Microsoft",
        (Target.AZURE,),
        "usr/sbin/waagent",
        ("walinuxagent.service", "waagent.service"),
    ),
    Tool(
        "google-guest-agent",
        "agent",
        "Google",
        (Target.GCP,),
        "usr/bin/google_guest_agent",
        (
            "google-guest-agent.service",
            "google-startup-scripts.service",
            "google-shutdown-scripts.service",
        ),
    ),
    Tool(
        "google-osconfig-agent",
        "agent",
        "Google",
        (Target.GCP,),
        "usr/bin/google_osconfig_agent",
        ("google-osconfig-agent.service",),
    ),
    Tool(
        "amazon-ssm-agent",
        "agent",
        "Amazon",
        (Target.AWS,),
        "usr/bin/amazon-ssm-agent",
        ("amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"),
    ),
    Tool(
        "cloud-init",
        "agent",
        "Canonical",
        tuple(Target),
        "usr/bin/cloud-init",
    ),
)
