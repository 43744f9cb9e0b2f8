"""Finding and checking what a VHDX file says about itself ([MS-VHDX] 2.2 and 2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from imageport.disk.base import KIB, MIB
from imageport.disk.errors import UnsupportedError
from imageport.disk.file import ImageFile
from imageport.disk.mapped import corrupt
from imageport.disk.vhdx import layout
from imageport.disk.vhdx.crc32c import sealed
from imageport.disk.vhdx.layout import Header, MetadataItem, Region
from imageport.disk.vhdx.log import replay

MAX_ITEM = 64 * KIB
"""Bytes of a metadata item that is read; the longest known one, the parent locator, is smaller."""
_KNOWN_ITEMS = (
    layout.FILE_PARAMETERS,
    layout.VIRTUAL_DISK_SIZE,
    layout.VIRTUAL_DISK_ID,
    layout.LOGICAL_SECTOR_SIZE,
    layout.PHYSICAL_SECTOR_SIZE,
    layout.PARENT_LOCATOR,
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The disk that a VHDX file describes; sizes in bytes."""

    size: int
    block_size: int
    sector_size: int
    data_write_id: UUID
    table: Region
    """Where the block allocation table lies."""
    parent: dict[str, str] | None
    """The parent locator of a differencing disk."""
    reserved: tuple[tuple[int, int], ...]
    """(offset, length) of what is no block: headers, log, metadata and table."""


def read_parameters(file: ImageFile) -> Parameters:
    """Read everything but the block allocation table; a dirty log is replayed over `file`.

    Raises `DiskError`.
    """
    header = _current_header(file)
    if header.log_id != layout.NO_GUID:
        file.patch(replay(file, header))
    regions = _regions(file)
    items = _Items(file, regions[layout.METADATA_REGION])
    block_size, flags = (
        int.from_bytes(part, "little") for part in _halves(items.read(layout.FILE_PARAMETERS, 8))
    )
    size = int.from_bytes(items.read(layout.VIRTUAL_DISK_SIZE, 8), "little")
    sector_size = int.from_bytes(items.read(layout.LOGICAL_SECTOR_SIZE, 4), "little")
    at = items.region.offset
    if sector_size not in (512, 4096):
        raise corrupt(file, "metadata", at, f"a logical sector size of {sector_size} bytes")
    if not MIB <= block_size <= 256 * MIB or block_size & (block_size - 1):
        raise corrupt(file, "metadata", at, f"a block size of {block_size} bytes")
    parent = items.parent_locator() if flags & layout.HAS_PARENT else None
    table = regions[layout.BAT_REGION]
    reserved = (
        (0, MIB),
        (header.log_offset, header.log_length),
        *((region.offset, region.length) for region in regions.values()),
    )
    return Parameters(size, block_size, sector_size, header.data_write_id, table, parent, reserved)


def _halves(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 2], data[len(data) // 2 :]


def _current_header(file: ImageFile) -> Header:
    """The sealed header with the highest sequence number (2.2.2)."""
    best: Header | None = None
    for offset in layout.HEADER_OFFSETS:
        data = file.read(offset, layout.HEADER_SIZE, "VHDX header")
        if data[:4] != Header.MAGIC or not sealed(data):
            continue
        header = Header.unpack(data)
        if best is None or header.sequence > best.sequence:
            best = header
    if best is None:
        raise corrupt(file, "VHDX header", layout.HEADER_OFFSETS[0], "both copies are damaged")
    if best.version != 1:
        raise UnsupportedError(file=file.name, feature=f"VHDX version {best.version}")
    return best


def _regions(file: ImageFile) -> dict[UUID, Region]:
    for offset in layout.REGION_TABLE_OFFSETS:
        table = file.read(offset, layout.REGION_TABLE_SIZE, "region table")
        if table[:4] == layout.REGION_MAGIC and sealed(table):
            break
    else:
        offset = layout.REGION_TABLE_OFFSETS[0]
        raise corrupt(file, "region table", offset, "both copies are damaged")
    found: dict[UUID, Region] = {}
    try:
        for region in layout.regions(table):
            found[region.guid] = region
    except ValueError as error:
        raise corrupt(file, "region table", offset, str(error)) from error
    known = {layout.BAT_REGION, layout.METADATA_REGION}
    for region in found.values():
        if region.required and region.guid not in known:
            raise UnsupportedError(file=file.name, feature=f"a region {region.guid}")
        file.require(region.offset, region.length, f"region {region.guid}")
    if not known <= found.keys():
        raise corrupt(file, "region table", offset, "a required region is missing")
    return found


class _Items:
    """The items of the metadata region."""

    def __init__(self, file: ImageFile, region: Region) -> None:
        self.file, self.region = file, region
        table = file.read(region.offset, layout.METADATA_TABLE_SIZE, "metadata table")
        try:
            self._items = {i.guid: i for i in layout.metadata_items(table) if not i.is_user}
        except ValueError as error:
            raise corrupt(file, "metadata table", region.offset, str(error)) from error
        for item in self._items.values():
            if item.required and item.guid not in _KNOWN_ITEMS:
                raise UnsupportedError(file=file.name, feature=f"metadata item {item.guid}")

    def read(self, guid: UUID, length: int | None = None) -> bytes:
        """The item's bytes, exactly `length` of them if given."""
        item = self._items.get(guid)
        if item is None:
            raise self._corrupt(f"item {guid} is missing")
        return self._read(item, length)

    def parent_locator(self) -> dict[str, str]:
        """The keys and values of the parent locator."""
        item = self.read(layout.PARENT_LOCATOR)
        try:
            return dict(layout.locator_entries(item))
        except ValueError as error:
            raise self._corrupt(f"the parent locator: {error}") from error

    def _read(self, item: MetadataItem, length: int | None) -> bytes:
        if item.length > MAX_ITEM or length not in (None, item.length):
            raise self._corrupt(f"item {item.guid} of {item.length} bytes")
        if item.offset + item.length > self.region.length:
            raise self._corrupt(f"item {item.guid} lies outside its region")
        return self.file.read(self.region.offset + item.offset, item.length, "metadata item")

    def _corrupt(self, detail: str) -> Exception:
        return corrupt(self.file, "metadata table", self.region.offset, detail)
