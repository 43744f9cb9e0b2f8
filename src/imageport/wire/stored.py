"""Images on a share: where they lie, what they are called, and their formats."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from imageport.model.target import DiskFormat
from imageport.wire.base import Name, Request, Text

_NAME = r'^[^\x00-\x1f\x7f/\\:*?"<>|.][^\x00-\x1f\x7f/\\:*?"<>|]*$'

FileName = Annotated[str, StringConstraints(pattern=_NAME), Field(max_length=200)]

ShareAddress = Annotated[
    str,
    StringConstraints(
        pattern=r"^[Ss][Mm][Bb]://[^/@\x00-\x20\x7f]+/[^\x00-\x1f\x7f]+$", max_length=2048
    ),
]
"""A folder of a share; who may reach it is said apart."""


class ImageFormat(StrEnum):
    """Formats of images on shares."""

    VHD = "VhdDiskFormat"
    VHDX = "VhdxDiskFormat"

    @property
    def disk_format(self) -> DiskFormat:
        """By our own name."""
        return DiskFormat.VHD if self is ImageFormat.VHD else DiskFormat.VHDX

    @property
    def extension(self) -> str:
        """Of a file's name."""
        return "vhd" if self is ImageFormat.VHD else "vhdx"


class StorageLocation(Request):
    """A folder of a share, and the credential to reach it with."""

    location: ShareAddress
    """Such as `smb://10.0.1.212/Files/`."""
    credential_id: Name
    """Of type `UsernamePassword`."""

    def address(self, name: str) -> str:
        """Of the file `name` in it."""
        return f"{self.location.rstrip('/')}/{quote(name)}"


class StoredInput(Request):
    """An image on a share that is read."""

    input_storage_location: StorageLocation
    """Where to read."""
    input_image_filename: FileName
    """Without extension; a version of a vDisk with its own, such as `win.2.avhdx`."""
    input_image_format: ImageFormat = ImageFormat.VHDX
    """VHD or VHDX."""

    @property
    def input_address(self) -> str:
        """Of the file."""
        return stored_address(
            self.input_storage_location, self.input_image_filename, self.input_image_format
        )


class StoredOutput(Request):
    """An image on a share that is written."""

    output_storage_location: StorageLocation
    """Where to write."""
    output_image_filename: FileName
    """Without extension."""
    output_image_format: ImageFormat = ImageFormat.VHDX
    """VHD or VHDX."""
    overwrite_target_file: bool = False
    """A file of that name is replaced, once its successor is complete."""

    @property
    def output_address(self) -> str:
        """Of the file."""
        name = f"{self.output_image_filename}.{self.output_image_format.extension}"
        return self.output_storage_location.address(name)


def stored_address(location: StorageLocation, name: str, format: ImageFormat) -> str:
    """Of an image by its name, which has the extension of a version or none."""
    versions = (f".{format.extension}", f".a{format.extension}")
    if PurePosixPath(name.lower()).suffix not in versions:
        name = f"{name}.{format.extension}"
    return location.address(name)


class EitherInput(Request):
    """An image that is read: a disk of the platform, or one on a share."""

    input_storage_location: StorageLocation | None = None
    """Where to read, on a share."""
    input_image_filename: FileName | None = None
    """Without extension; a version of a vDisk with its own, such as `win.2.avhdx`."""
    input_image_format: ImageFormat = ImageFormat.VHDX
    """VHD or VHDX."""

    @property
    def disk(self) -> str | None:
        """The platform's disk, by the field that names it."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        _one_of(self.disk, self.input_storage_location, self.input_image_filename, "input")
        return self

    @property
    def input_address(self) -> str:
        """Of the file on the share, or the platform's disk."""
        if self.input_storage_location and self.input_image_filename:
            place, name = self.input_storage_location, self.input_image_filename
            return stored_address(place, name, self.input_image_format)
        return self.disk or ""


class EitherOutput(Request):
    """An image that is written: a disk of the platform, or one on a share."""

    output_disk_name: Text | None = None
    """Path of the file to write, as the connector sees it."""
    output_storage_location: StorageLocation | None = None
    """Where to write, on a share."""
    output_image_filename: FileName | None = None
    """Without extension."""
    output_image_format: ImageFormat = ImageFormat.VHDX
    """VHD or VHDX."""
    overwrite_target_file: bool = False
    """What has the name already is replaced, once its successor is complete."""

    @model_validator(mode="after")
    def _one_output(self) -> Self:
        disk, place = self.output_disk_name, self.output_storage_location
        _one_of(disk, place, self.output_image_filename, "output")
        return self

    @property
    def output_address(self) -> str:
        """Of the file on the share, or the platform's disk."""
        if self.output_storage_location and self.output_image_filename:
            name = f"{self.output_image_filename}.{self.output_image_format.extension}"
            return self.output_storage_location.address(name)
        return self.output_disk_name or ""

    @property
    def output_format(self) -> DiskFormat | None:
        """Of a file on a share; a platform's disk has the platform's."""
        return self.output_image_format.disk_format if self.output_storage_location else None


def _one_of(disk: str | None, place: StorageLocation | None, name: str | None, which: str) -> None:
    if (disk is None) == (place is None) or (place is None) != (name is None):
        raise PydanticCustomError(
            "one_of",
            "the {which} is either a disk's name, or {which}StorageLocation and "
            "{which}ImageFilename",
            {"which": which},
        )
