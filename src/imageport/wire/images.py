"""Requests that start jobs: one model for each job and platform, by Citrix's field names.

Where Citrix's name is not publicly known, ours is in the same style. `platform` says which platform
the job works on; only those that really run are here. This file has the local platform's, and what
is common; `wire.aws` has AWS'.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, StringConstraints, Tag, TypeAdapter

from imageport.model.service import JobType, PlatformName
from imageport.model.target import Firmware
from imageport.wire.aws import ExportFromAws, UploadToAws
from imageport.wire.base import Text
from imageport.wire.guest import LONGEST_SECONDS, GuestRequest, TargetPlatform
from imageport.wire.platforms import LocalRequest, platform_said
from imageport.wire.stored import (
    EitherInput,
    EitherOutput,
    FileName,
    StorageLocation,
    StoredInput,
    StoredOutput,
)

Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{32}$")]


class SourceDisk(EitherInput):
    """An image that is read: `sourceDiskName`, or one on a share."""

    source_disk_name: Text | None = None
    """Path of the image file, as the connector sees it."""

    @property
    def disk(self) -> str | None:
        """See `EitherInput`."""
        return self.source_disk_name


class TargetDisk(EitherInput):
    """An image that is read: `targetDiskName`, or one on a share."""

    target_disk_name: Text | None = None
    """Path of the image file, which is only read."""

    @property
    def disk(self) -> str | None:
        """See `EitherInput`."""
        return self.target_disk_name


class _Prepared(TargetDisk, GuestRequest):
    md5_hash: Md5 | None = None
    """The MD5 that the content of the image must have before anything is done."""


class ExportImage(LocalRequest, StoredOutput):
    """`$export`: an image file to VHD or VHDX on a share."""

    source_disk_name: Text
    """Path of the image file, as the connector sees it."""
    hash_disk: bool = False
    """The result has the MD5 of the disk's content, too."""


class PublishImage(ExportImage):
    """`$publish`: a prepared image file to a vDisk in a store of Citrix Provisioning."""


class UploadImage(LocalRequest, StoredInput):
    """`$upload`: an image on a share to an image file of the platform."""

    output_disk_name: Text
    """Path of the file to write; its extension says the format."""
    overwrite_target_file: bool = False
    """A file of that name is replaced, once its successor is complete."""


class ReverseImage(UploadImage):
    """`$reverseImage`: a vDisk of a store to an image file of the platform: its newest version, or
    the one whose file is named, with the whole chain."""

    ignore_lock: bool = False
    """Also where the vDisk is locked: nobody may be writing to it."""

    @property
    def vdisk_address(self) -> str:
        """Of the vDisk, or of the file of a version."""
        return self.input_storage_location.address(self.input_image_filename)


class PrepareImage(LocalRequest, _Prepared):
    """`$prepare`: an uploaded image, or one on a share, becomes one that starts on its platform."""

    output_disk_name: Text
    """Path of the file to write, in the format that the platform takes."""
    overwrite_target_file: bool = False
    """A file of that name is replaced, once its successor is complete."""


class PrepareAndPublishImage(LocalRequest, _Prepared, StoredOutput):
    """`$prepareAndPublish`: the same, written as a vDisk to a store, by one engine."""


class MigrateTarget(GuestRequest, EitherOutput):
    """Where an image is to start, and the output for that."""


class MigrateImage(LocalRequest, SourceDisk, GuestRequest, EitherOutput):
    """`$migrate`: an image becomes one that starts elsewhere, or several for several platforms."""

    additional_targets: tuple[MigrateTarget, ...] = Field(default=(), max_length=16)
    """Further targets of the same image. One that fails does not keep the others from theirs."""


class ConvertToUefi(LocalRequest, StoredInput):
    """`$convertToUefi`: of a vDisk that a BIOS starts, a version that UEFI starts, as its child."""

    output_image_filename: FileName
    """In the folder of the input, without extension."""
    overwrite_output: bool = False
    """A file of that name is replaced, once its successor is complete."""

    @property
    def output_address(self) -> str:
        """Of the child."""
        return child_address(self, self.output_image_filename)


class UpgradePvs(LocalRequest, StoredInput):
    """`$upgradePvs`: a version of a vDisk with another target device of Citrix Provisioning."""

    install_pvs: str = Field(min_length=1, max_length=64)
    """A release (2402), or a version (7.41.100)."""
    component_source: Text
    """Path of a folder with Citrix's installers."""
    output_image_filename: FileName
    """In the folder of the input, without extension."""
    overwrite_output: bool = False
    """A file of that name is replaced, once its successor is complete."""
    target_platform: TargetPlatform = TargetPlatform.VSPHERE
    """What its target devices run on."""
    allow_downgrade: bool = False
    ignore_lock: bool = False
    """Also where the vDisk is locked: it is only read."""
    firmware: Firmware | None = None
    """Where the vDisk's partition table leaves it open."""
    boot_timeout: int = Field(default=900, ge=1, le=LONGEST_SECONDS)
    """Seconds that a boot of the vDisk may take."""

    @property
    def output_address(self) -> str:
        """Of the child."""
        return child_address(self, self.output_image_filename)


class CollectDiagnostics(LocalRequest, TargetDisk):
    """`$diagnostics`: logs of a disk, such as one whose job failed, in a new folder on a share."""

    output_storage_location: StorageLocation
    """Where the folder is made."""
    ce_logs: bool = True
    """What the engine said meanwhile."""
    windows_event_logs: bool = True
    """The image's own logs: event logs, or a Linux's journal and files."""
    ips_data: bool = True
    """What imageport knows of the image and left in it."""


def child_address(request: StoredInput, name: str) -> str:
    """Of a version beside its parent: `.avhd` or `.avhdx`."""
    extension = f".a{request.input_image_format.extension}"
    return request.input_storage_location.address(name.removesuffix(extension) + extension)


ImageRequest = (
    ExportImage
    | UploadImage
    | PrepareImage
    | PublishImage
    | PrepareAndPublishImage
    | ReverseImage
    | ConvertToUefi
    | UpgradePvs
    | CollectDiagnostics
    | MigrateImage
    | ExportFromAws
    | UploadToAws
)

_BY_PLATFORM = Discriminator(
    platform_said,
    custom_error_type="platform",
    custom_error_message="platform is one of Local, Aws",
)
ExportRequest = Annotated[
    Annotated[ExportImage, Tag(PlatformName.LOCAL)]
    | Annotated[ExportFromAws, Tag(PlatformName.AWS)],
    _BY_PLATFORM,
]
UploadRequest = Annotated[
    Annotated[UploadImage, Tag(PlatformName.LOCAL)] | Annotated[UploadToAws, Tag(PlatformName.AWS)],
    _BY_PLATFORM,
]

REQUESTS: dict[JobType, dict[PlatformName, type[ImageRequest]]] = {
    JobType.EXPORT: {PlatformName.LOCAL: ExportImage, PlatformName.AWS: ExportFromAws},
    JobType.UPLOAD: {PlatformName.LOCAL: UploadImage, PlatformName.AWS: UploadToAws},
    JobType.PREPARE: {PlatformName.LOCAL: PrepareImage},
    JobType.PUBLISH: {PlatformName.LOCAL: PublishImage},
    JobType.PREPARE_AND_PUBLISH: {PlatformName.LOCAL: PrepareAndPublishImage},
    JobType.REVERSE_IMAGE: {PlatformName.LOCAL: ReverseImage},
    JobType.CONVERT_TO_UEFI: {PlatformName.LOCAL: ConvertToUefi},
    JobType.UPGRADE_PVS: {PlatformName.LOCAL: UpgradePvs},
    JobType.DIAGNOSTICS: {PlatformName.LOCAL: CollectDiagnostics},
    JobType.MIGRATE: {PlatformName.LOCAL: MigrateImage},
}
"""Which request starts which job on which platform."""

_UNIONS: dict[JobType, TypeAdapter[ImageRequest]] = {
    JobType.EXPORT: TypeAdapter(ExportRequest),
    JobType.UPLOAD: TypeAdapter(UploadRequest),
}


def read_request(type: JobType, said: dict[str, Any]) -> ImageRequest:
    """The request for a job, by its `platform`. Raises `pydantic.ValidationError`."""
    wanted = platform_said(said)
    for platform, model in REQUESTS[type].items():
        if platform == wanted or type not in _UNIONS:
            return model.model_validate(said)
    return _UNIONS[type].validate_python(said)  # it says what platforms there are


def credential_ids(request: BaseModel) -> tuple[str, ...]:
    """The credentials that the job names, and that its connector is handed."""
    found: dict[str, None] = {}
    for name in type(request).model_fields:
        value = getattr(request, name)
        if name.endswith("credential_id") and value is not None:
            found[value] = None
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if isinstance(part, BaseModel):
                found |= dict.fromkeys(credential_ids(part))
    return tuple(found)
