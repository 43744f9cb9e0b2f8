"""Opening a disk: which format its content is, and its chain of parents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from imageport.disk.backing import MAX_DEPTH, BackingPolicy
from imageport.disk.base import SECTOR
from imageport.disk.errors import (
    BackingRefusedError,
    FormatMismatchError,
    NotADiskError,
)
from imageport.disk.file import ImageFile, LocalFile
from imageport.disk.mapped import MappedReader
from imageport.disk.qcow2.layout import MAGIC as QCOW2_MAGIC
from imageport.disk.qcow2.reader import Qcow2Reader
from imageport.disk.raw import RawReader
from imageport.disk.vhd.layout import COOKIE as VHD_COOKIE
from imageport.disk.vhd.reader import footer_offset, open_vhd
from imageport.disk.vhdx.layout import SIGNATURE as VHDX_SIGNATURE
from imageport.disk.vhdx.reader import VhdxReader
from imageport.disk.vmdk.descriptor import MAGIC as VMDK_DESCRIPTOR_MAGIC
from imageport.disk.vmdk.layout import MAGIC as VMDK_MAGIC
from imageport.disk.vmdk.reader import VmdkReader
from imageport.model.target import DiskFormat

_MAGICS = {
    QCOW2_MAGIC: DiskFormat.QCOW2,
    VHDX_SIGNATURE: DiskFormat.VHDX,
    VMDK_MAGIC: DiskFormat.VMDK,
    VMDK_DESCRIPTOR_MAGIC: DiskFormat.VMDK,
    VHD_COOKIE: DiskFormat.VHD,
}
_FOREIGN = {
    (0, b"\x1f\x8b"): "a gzip archive",
    (0, b"\xfd7zXZ\0"): "an xz archive",
    (0, b"\x28\xb5\x2f\xfd"): "a zstd archive",
    (0, b"PK\x03\x04"): "a zip archive",
    (0, b"7z\xbc\xaf\x27\x1c"): "a 7z archive",
    (0, b"COWD"): "an ESX sparse extent (COWD)",
    (0, b"QED\0"): "a QED image",
    (0, b"WithoutFreeSpace"): "a Parallels image",
    (0, b"WithouFreSpacExt"): "a Parallels image",
    (0x40, b"\x7f\x10\xda\xbe"): "a VirtualBox VDI image",
    (257, b"ustar"): "a tar archive (OVA, XVA)",
}
_PROBE_SIZE = 512
_VHD = frozenset({DiskFormat.VHD, DiskFormat.VHD_FIXED})
_SUFFIXES: dict[str, frozenset[DiskFormat]] = {
    ".vhd": _VHD,
    ".avhd": _VHD,
    ".vhdx": frozenset({DiskFormat.VHDX}),
    ".avhdx": frozenset({DiskFormat.VHDX}),
    ".vmdk": frozenset({DiskFormat.VMDK}),
    ".qcow2": frozenset({DiskFormat.QCOW2}),
    ".raw": frozenset({DiskFormat.RAW}),
}


def open_disk(
    source: Path | str | ImageFile,
    *,
    allow_backing: bool | Collection[Path] = False,
    format: DiskFormat | None = None,
) -> MappedReader:
    """Open a disk image or block device for reading, with every file that it is made of.

    `source` is a path here, or a file that is open already and now belongs to the disk.

    Without `format` the content decides: a file is raw when it has no other format's magic and is
    whole sectors. A name whose suffix promises another format than the content is an error. A
    block device is raw unless `format` says otherwise, since its content belongs to the guest.

    Files that the image names (a parent, an extent) are opened when they lie in its own folder;
    `allow_backing` admits other places: True any, or the folders given and what is below them.

    Raises `DiskError`: `NotADiskError`, `FormatMismatchError`, `TruncatedError`, `CorruptError`,
    `UnsupportedError`, `UnreadableError`, `BackingRefusedError`, `BackingMissingError`,
    `BackingMismatchError`.
    """
    file = source if isinstance(source, ImageFile) else LocalFile(Path(source))
    return _Chain(BackingPolicy(allow_backing), ()).open(file, format)


def detect_format(file: ImageFile) -> DiskFormat:
    """The format of a file's content; `VHD` for every VHD. Raises `NotADiskError`."""
    head = file.read(0, min(file.size, _PROBE_SIZE), "start of the file")
    for magic, form in _MAGICS.items():
        if head.startswith(magic):
            return form
    for (offset, magic), name in _FOREIGN.items():
        if head[offset:].startswith(magic):
            raise NotADiskError(file=file.name, detail=f"it is {name}")
    if footer_offset(file) is not None:
        return DiskFormat.VHD
    if not file.size:
        raise NotADiskError(file=file.name, detail="it is empty")
    if file.size % SECTOR:
        detail = f"it has no known format, and {file.size} bytes are no whole number of sectors"
        raise NotADiskError(file=file.name, detail=detail)
    return DiskFormat.RAW


class _Chain:
    """Opens one file; `above` are the files that led to it, outermost first."""

    def __init__(self, policy: BackingPolicy, above: tuple[ImageFile, ...]) -> None:
        self._policy = policy
        self._above = above

    def open(self, file: ImageFile, form: DiskFormat | None) -> MappedReader:
        """Open `file` as `form`, or as what its content is; close it when that fails."""
        try:
            self._check_loop(file)
            form = _settled(file, form)
            return _READERS[form](file, _Chain(self._policy, (*self._above, file)))
        except BaseException:
            file.close()
            raise

    def open_parent(
        self, child: ImageFile, names: Sequence[str], format: DiskFormat | None = None
    ) -> MappedReader:
        """See `Chain.open_parent`."""
        return self.open(self._policy.open(child, names), format)

    def open_part(self, owner: ImageFile, name: str) -> ImageFile:
        """See `Chain.open_part`."""
        return self._policy.open(owner, [name])

    def _check_loop(self, file: ImageFile) -> None:
        if len(self._above) >= MAX_DEPTH:
            detail = f"the chain has more than {MAX_DEPTH} files"
        elif any(file.identity == other.identity for other in self._above):
            detail = "the chain leads back to itself"
        else:
            return
        child = self._above[-1].name
        raise BackingRefusedError(file=child, backing=file.name, detail=detail)


_READERS: dict[DiskFormat, Callable[[ImageFile, _Chain], MappedReader]] = {
    DiskFormat.RAW: lambda file, _: RawReader(file),
    DiskFormat.VHD: open_vhd,
    DiskFormat.VHD_FIXED: open_vhd,
    DiskFormat.VHDX: VhdxReader,
    DiskFormat.VMDK: VmdkReader,
    DiskFormat.QCOW2: Qcow2Reader,
}


def _settled(file: ImageFile, form: DiskFormat | None) -> DiskFormat:
    """The format to read `file` as: what the caller says, confirmed by the content."""
    if form is DiskFormat.RAW or (form is None and file.is_block_device):
        if file.size % SECTOR or not file.size:
            detail = f"a raw disk of {file.size} bytes is no whole number of sectors"
            raise NotADiskError(file=file.name, detail=detail)
        return DiskFormat.RAW
    found = detect_format(file)
    if form is not None:
        expected = _VHD if form in _VHD else frozenset({form})
    else:
        expected = _SUFFIXES.get(file.suffix, frozenset({found}))
    if found not in expected:
        wanted = " or ".join(sorted(expected))
        raise FormatMismatchError(file=file.name, expected=wanted, found=found)
    return found
