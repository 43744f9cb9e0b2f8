"""What requests say of the guest: where it is to start, and what is done inside it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from imageport.model.target import Firmware, Provisioning, Target
from imageport.model.wishes import GuestWishes, XdParameter
from imageport.wire.base import Request, Text

LONGEST_SECONDS = 7 * 24 * 3600
"""Of any time-out."""


class TargetPlatform(StrEnum):
    """Where an image is to start, by Citrix's names."""

    VSPHERE = "vSphere"
    XENSERVER = "XenServer"
    NUTANIX = "Nutanix"
    AZURE = "Azure"
    AWS = "Aws"
    GCP = "Gcp"
    PVS = "Pvs"


TARGETS = {
    TargetPlatform.VSPHERE: Target.VSPHERE,
    TargetPlatform.XENSERVER: Target.XENSERVER,
    TargetPlatform.NUTANIX: Target.AHV,
    TargetPlatform.AZURE: Target.AZURE,
    TargetPlatform.AWS: Target.AWS,
    TargetPlatform.GCP: Target.GCP,
    TargetPlatform.PVS: Target.PVS,
}


class ProvisioningType(StrEnum):
    """How machines will be made from the image."""

    MCS = "Mcs"
    PVS = "Pvs"


class XdReconfigure(Request):
    """A switch of the VDA's reconfigure tool."""

    name: str = Field(alias="ParameterName", min_length=1, max_length=128)
    """Such as `controllers`, with or without its slash."""
    value: str = Field(default="", alias="ParameterValue", max_length=4096)
    """Empty for a switch that takes none."""


class GuestRequest(Request):
    """The fields of every request that prepares a guest."""

    target_platform: TargetPlatform
    """Where the image is to start."""
    provisioning_type: ProvisioningType = ProvisioningType.MCS
    """How machines will be made from the image."""
    firmware: Firmware | None = None
    """Where the image's partition table leaves it open."""
    driver_library: Text | None = None
    """Drivers for Windows: path of a folder or an ISO image, such as virtio-win's."""
    component_source: Text | None = None
    """Path of a folder with Citrix's installers."""
    try_untouched: bool = True
    """First show how the image behaves on the target as it is."""
    boot_timeout: int = Field(default=900, ge=1, le=LONGEST_SECONDS)
    """Seconds that the image's first boot may take."""
    install_misa: bool = False
    """Install the Machine Identity Service Agent, where it is missing; needs `Mcs`."""
    force_misa: bool = False
    """Install it also where it is there."""
    install_mcsio: bool = False
    """Install MCS' storage optimisation, where it is missing; needs `Mcs`."""
    force_mcsio: bool = False
    """Install it also where it is there."""
    install_pvs: str | None = Field(default=None, min_length=1, max_length=64)
    """Version of the PVS target device to install."""
    xd_reconfigure: tuple[XdReconfigure, ...] = Field(default=(), max_length=64)
    """Switches of the VDA's reconfigure tool."""
    domain_unjoin: bool = False
    """The guest leaves its domain in its first boot."""
    unjoin_anyway: bool = False
    """The caller knows that a domain controller may be reached, and what that does."""
    enable_rdp: bool = False
    """Allow Remote Desktop, also where the target has a console to log on at."""
    chkdsk: bool = False
    """The system volume is checked in the first boot."""
    defrag: bool = False
    """The system volume is defragmented in the first boot."""
    temporary_disk: bool = False
    """Azure: the machines will have a temporary disk."""

    @property
    def target(self) -> Target:
        """In our own words."""
        return TARGETS[self.target_platform]

    @property
    def provisioning(self) -> Provisioning:
        """In our own words."""
        return Provisioning(self.provisioning_type.lower())

    @property
    def wishes(self) -> GuestWishes:
        """In our own words."""
        return GuestWishes(
            install_misa=self.install_misa,
            force_misa=self.force_misa,
            install_mcsio=self.install_mcsio,
            force_mcsio=self.force_mcsio,
            install_pvs=self.install_pvs,
            xd_reconfigure=tuple(
                XdParameter(each.name.lower().lstrip("/"), each.value)
                for each in self.xd_reconfigure
            ),
            domain_unjoin=self.domain_unjoin,
            unjoin_anyway=self.unjoin_anyway,
            enable_rdp=self.enable_rdp,
            chkdsk=self.chkdsk,
            defrag=self.defrag,
            temporary_disk=self.temporary_disk,
        )
