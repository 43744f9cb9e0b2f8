"""Reading VMDK disks: a descriptor, of its own or inside a sparse file, and its extents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import ClassVar, Protocol

from imageport.disk.backing import Chain, verified
from imageport.disk.base import SECTOR, ExtentKind
from imageport.disk.errors import DiskError, TruncatedError, UnsupportedError
from imageport.disk.file import ImageFile
from imageport.disk.mapped import Absent, MappedReader, Run, Stored, corrupt
from imageport.disk.vmdk import descriptor as text
from imageport.disk.vmdk.descriptor import Descriptor, Part, PartKind
from imageport.disk.vmdk.layout import MAGIC
from imageport.disk.vmdk.sparse import SparseExtent, read_header
from imageport.disk.windows_paths import candidates
from imageport.model.target import DiskFormat


class _Extent(Protocol):
    """A part of the disk; offsets count from the part's start."""

    @property
    def size(self) -> int:
        """Bytes of the disk that the part holds."""

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """The runs that cover [start, end) of the part."""


class _FlatExtent:
    """A part whose bytes lie as they are in a file."""

    def __init__(self, file: ImageFile, offset: int, size: int) -> None:
        file.require(offset, size, "flat extent")
        self.size = size
        self._file, self._offset = file, offset

    def runs(self, start: int, end: int) -> Iterator[Run]:
        yield Stored(start, end - start, self._file, self._offset + start)


class _ZeroExtent:
    """A part that is stored nowhere."""

    def __init__(self, size: int) -> None:
        self.size = size

    def runs(self, start: int, end: int) -> Iterator[Run]:
        yield Absent(start, end - start, ExtentKind.ZERO)


class VmdkReader(MappedReader):
    """A VMDK of one or several extents, perhaps with a parent."""

    format: ClassVar[DiskFormat] = DiskFormat.VMDK

    def __init__(self, file: ImageFile, chain: Chain) -> None:
        self._files: list[ImageFile] = []
        try:
            parts, description = self._open_parts(file, chain)
            super().__init__(file, sum(part.size for part in parts))
            self._parts = parts
            self._starts = list(accumulate((part.size for part in parts[:-1]), initial=0))
            if description is not None:
                self.identity = description.content_id
                self.parent = _open_parent(file, description, chain)
        except DiskError:
            self._close_parts()
            raise

    def own_runs(self, start: int, end: int) -> Iterator[Run]:
        """See `MappedReader.own_runs`."""
        while start < end:
            index = bisect_right(self._starts, start) - 1
            base, part = self._starts[index], self._parts[index]
            stop = min(base + part.size, end)
            for run in part.runs(start - base, stop - base):
                yield run._replace(offset=run.offset + base) if base else run
            start = stop

    @property
    def fingerprint(self) -> str:
        """See `DiskReader.fingerprint`."""
        return ";".join([super().fingerprint, *(file.fingerprint for file in self._files)])

    def close(self) -> None:
        """See `DiskReader.close`."""
        self._close_parts()
        super().close()

    def _close_parts(self) -> None:
        for file in self._files:
            file.close()

    def _open_parts(self, file: ImageFile, chain: Chain) -> tuple[list[_Extent], Descriptor | None]:
        if file.read(0, len(MAGIC), "VMDK magic") != MAGIC:
            description = _parse(file, 0, min(file.size, text.MAX_SIZE))
            return [self._open_part(file, part, chain) for part in description.parts], description
        header = read_header(file)
        extent = SparseExtent(file, header)
        if not header.descriptor_size:
            return [extent], None
        size = min(header.descriptor_size * SECTOR, text.MAX_SIZE)
        return [extent], _parse(file, header.descriptor_offset * SECTOR, size)

    def _open_part(self, owner: ImageFile, part: Part, chain: Chain) -> _Extent:
        size = part.sectors * SECTOR
        if part.kind == PartKind.ZERO:
            return _ZeroExtent(size)
        if part.kind not in tuple(PartKind):
            feature = f"an extent of the kind {part.kind}"
            raise UnsupportedError(file=owner.name, feature=feature)
        file = chain.open_part(owner, part.name)
        self._files.append(file)
        if part.kind != PartKind.SPARSE:
            return _FlatExtent(file, part.offset * SECTOR, size)
        extent = SparseExtent(file, read_header(file))
        if extent.size < size:
            raise TruncatedError(
                file=file.name,
                structure="sparse extent",
                offset=0,
                needed=size,
                size=extent.size,
            )
        extent.size = size
        return extent


def _parse(file: ImageFile, offset: int, size: int) -> Descriptor:
    try:
        return text.parse(file.read(offset, size, "VMDK descriptor"))
    except ValueError as error:
        raise corrupt(file, "VMDK descriptor", offset, str(error)) from error


def _open_parent(file: ImageFile, description: Descriptor, chain: Chain) -> MappedReader | None:
    if description.parent_content_id == text.NO_PARENT:
        return None
    hint = description.parent_hint
    parent = chain.open_parent(file, candidates([hint] if hint else []))
    return verified(file, parent, [description.parent_content_id])
