"""Requests that start jobs: one model for each job and platform, by Citrix's field names.

Where Citrix's name is not publicly known, ours is in the same style. `platform` says which platform
the job works on; only those that really run are here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field, StringConstraints

from imageport.model.job import MigrateRequest
from imageport.model.service import JobType
from imageport.model.target import DiskFormat, Firmware, Provisioning, Target
from imageport.model.wishes import GuestWishes, XdParameter
from imageport.wire.base import Guid, Name, Request, Tags, Text

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


class OutputImageFormat(StrEnum):
    """Formats of an export."""

    VHD = "VhdDiskFormat"
    VHDX = "VhdxDiskFormat"

    @property
    def disk_format(self) -> DiskFormat:
        """By our own name."""
        return DiskFormat.VHD if self is OutputImageFormat.VHD else DiskFormat.VHDX

    @property
    def extension(self) -> str:
        """Of a file's name."""
        return "vhd" if self is OutputImageFormat.VHD else "vhdx"


class XdReconfigure(Request):
    """A switch of the VDA's reconfigure tool."""

    name: str = Field(alias="ParameterName", min_length=1, max_length=128)
    """Such as `controllers`, with or without its slash."""
    value: str = Field(default="", alias="ParameterValue", max_length=4096)
    """Empty for a switch that takes none."""


class StorageLocation(Request):
    """A folder of a share, and the credential to reach it with."""

    location: Annotated[
        str,
        StringConstraints(
            pattern=r"^[Ss][Mm][Bb]://[^/@\x00-\x20\x7f]+/[^\x00-\x1f\x7f]+$", max_length=2048
        ),
    ]
    """Such as `smb://10.0.1.212/Files/`."""
    credential_id: Name
    """Of type `UsernamePassword`."""


class _JobRequest(Request):
    resource_location_id: Guid
    """Whose connectors may run the job."""
    timeout: int = Field(default=7200, ge=60, le=LONGEST_SECONDS)
    """Seconds that the work may take in one go; then the job is ended with an error."""
    tags: Tags = Field(default_factory=dict)
    """Kept with the job, and given back with it."""


class MigrateImage(_JobRequest):
    """`$migrate` on the local platform: an image file becomes one that boots elsewhere."""

    platform: Literal["Local"]
    source_disk_name: Text
    """Path of the image file, as the connector sees it."""
    target_platform: TargetPlatform
    """Where the image is to start."""
    output_disk_name: Text
    """Path of the file to write."""
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

    def migration(self) -> MigrateRequest:
        """In our own words."""
        return MigrateRequest(
            source=self.source_disk_name,
            target=TARGETS[self.target_platform],
            output=self.output_disk_name,
            provisioning=Provisioning(self.provisioning_type.lower()),
            firmware=self.firmware,
            drivers=self.driver_library,
            components=self.component_source,
            wishes=self._wishes(),
            try_untouched=self.try_untouched,
            boot_seconds=float(self.boot_timeout),
        )

    def _wishes(self) -> GuestWishes:
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


class ExportImage(_JobRequest):
    """`$export` on the local platform: an image file to VHD or VHDX on a share."""

    platform: Literal["Local"]
    source_disk_name: Text
    """Path of the image file, as the connector sees it."""
    output_storage_location: StorageLocation
    """Where to write."""
    output_image_filename: Annotated[
        str, StringConstraints(pattern=r'^[^\x00-\x1f\x7f/\\:*?"<>|.][^\x00-\x1f\x7f/\\:*?"<>|]*$')
    ] = Field(max_length=200)
    """Without extension."""
    output_image_format: OutputImageFormat = OutputImageFormat.VHDX
    """VHD or VHDX."""

    @property
    def address(self) -> str:
        """Of the file to write."""
        folder = self.output_storage_location.location.rstrip("/")
        name = f"{self.output_image_filename}.{self.output_image_format.extension}"
        return f"{folder}/{quote(name)}"


ImageRequest = MigrateImage | ExportImage

REQUESTS: dict[JobType, type[ImageRequest]] = {
    JobType.MIGRATE: MigrateImage,
    JobType.EXPORT: ExportImage,
}
"""Which request starts which job."""


def credential_ids(request: ImageRequest) -> tuple[str, ...]:
    """The credentials that the job names, and that its connector is handed."""
    if isinstance(request, ExportImage):
        return (request.output_storage_location.credential_id,)
    return ()
