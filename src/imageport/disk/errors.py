"""Errors of the disk layer. Each names the file, the structure and the byte offset in its data."""

from __future__ import annotations

from typing import ClassVar

from imageport.model.errors import ImageportError


class DiskError(ImageportError):
    """Base of every error about a disk image; `data["file"]` is its path."""


class NotADiskError(DiskError):
    """The content is no disk image that we know, and no raw disk either."""

    code: ClassVar[str] = "disk.not-a-disk"
    sentence: ClassVar[str] = "{file} is not a disk image: {detail}."
    remedy: ClassVar[str] = (
        "Give a raw, VHD, VHDX, VMDK or qcow2 disk; unpack archives and appliances first."
    )


class FormatMismatchError(DiskError):
    """The file's name promises one format and its content is another."""

    code: ClassVar[str] = "disk.format-mismatch"
    sentence: ClassVar[str] = "{file} should be {expected} but its content is {found}."
    remedy: ClassVar[str] = (
        "The file is damaged, cut short or misnamed: copy it again, or rename it after its content."
    )


class TruncatedError(DiskError):
    """Something that the image's tables point to lies past the end of the file."""

    code: ClassVar[str] = "disk.truncated"
    sentence: ClassVar[str] = (
        "{file} ends at byte {size}, but its {structure} at byte {offset} needs {needed} bytes."
    )
    remedy: ClassVar[str] = "The copy is incomplete: transfer the file again."


class CorruptError(DiskError):
    """A structure of the format holds what it must not hold."""

    code: ClassVar[str] = "disk.corrupt"
    sentence: ClassVar[str] = "{file} is damaged: {structure} at byte {offset}: {detail}."
    remedy: ClassVar[str] = "Export the disk again from its source, or repair it with its own tool."


class UnsupportedError(DiskError):
    """The image is sound as far as seen, but uses something that we do not read or write."""

    code: ClassVar[str] = "disk.unsupported"
    sentence: ClassVar[str] = "{file} uses what is not supported: {feature}."
    remedy: ClassVar[str] = "Convert the disk to a plain image with its own tool first."


class UnreadableError(DiskError):
    """The operating system refused to open or to read the file."""

    code: ClassVar[str] = "disk.unreadable"
    sentence: ClassVar[str] = "{file} cannot be read at byte {offset}: {detail}."
    remedy: ClassVar[str] = "Check that the path exists, its permissions and the storage below it."


class BackingRefusedError(DiskError):
    """The image names another file outside what the caller allows, or in a way we do not follow."""

    code: ClassVar[str] = "disk.backing-refused"
    sentence: ClassVar[str] = "{file} refers to {backing}, which is refused: {detail}."
    remedy: ClassVar[str] = (
        "Put both files in one folder, or allow the other file's folder explicitly if you trust it."
    )


class BackingMissingError(DiskError):
    """The image needs another file that is not there."""

    code: ClassVar[str] = "disk.backing-missing"
    sentence: ClassVar[str] = "{file} needs {backing}, which was not found."
    remedy: ClassVar[str] = "Bring every file of the disk's chain along, or merge the chain first."


class BackingMismatchError(DiskError):
    """The file found as parent is not the one that the child was made from."""

    code: ClassVar[str] = "disk.backing-mismatch"
    sentence: ClassVar[str] = (
        "{backing} is not the parent of {file}: its identity is {found}, expected {expected}."
    )
    remedy: ClassVar[str] = "Bring the parent as it was when the child was made."


class ManifestError(DiskError):
    """A saved tree-hash manifest is damaged or not one."""

    code: ClassVar[str] = "disk.manifest-damaged"
    sentence: ClassVar[str] = "{file} is not a usable manifest: {detail}."
    remedy: ClassVar[str] = "Compute the manifest again from the disk."


class UnwritableError(DiskError):
    """The operating system refused to create or to write the file."""

    code: ClassVar[str] = "disk.unwritable"
    sentence: ClassVar[str] = "{file} cannot be written at byte {offset}: {detail}."
    remedy: ClassVar[str] = "Check free space, permissions and the storage below the path."


class FormatUnknownError(DiskError):
    """Neither the caller nor the name of a new file says which format to write."""

    code: ClassVar[str] = "disk.format-unknown"
    sentence: ClassVar[str] = "The name {file} does not say which format to write."
    remedy: ClassVar[str] = "Say the format, or use a name that ends in one of: {suffixes}."


class TargetExistsError(DiskError):
    """A new disk would replace a file."""

    code: ClassVar[str] = "disk.exists"
    sentence: ClassVar[str] = "{file} exists already."
    remedy: ClassVar[str] = "Remove it or choose another name."


class TargetTooSmallError(DiskError):
    """The target cannot hold the source."""

    code: ClassVar[str] = "disk.target-too-small"
    sentence: ClassVar[str] = "{file} holds {size} bytes, the source has {needed}."
    remedy: ClassVar[str] = "Make the target at least as large as the source."


class DiffersError(DiskError):
    """What was read back from a new file is not what was written to it."""

    code: ClassVar[str] = "disk.differs"
    sentence: ClassVar[str] = (
        "{file} does not hold what was written to it (content hash {read}, not {written})."
    )
    remedy: ClassVar[str] = "Check the storage below it; the file was removed."


class CopyCancelledError(DiskError):
    """The caller asked the copy to stop."""

    code: ClassVar[str] = "disk.cancelled"
    sentence: ClassVar[str] = "The copy to {file} was cancelled."
    remedy: ClassVar[str] = "Start it again; with its journal it goes on where it stopped."
