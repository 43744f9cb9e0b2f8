"""What a source's outside says. Takes seconds and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imageport.disk.base import DiskReader, data_bytes
from imageport.disk.ends.open import Access, is_local, open_source
from imageport.disk.mapped import MappedReader
from imageport.engine.library import check_library
from imageport.host.partition_table import EFI_SYSTEM, gpt_partitions, has_boot_code
from imageport.jobs.ends import HERE
from imageport.jobs.errors import FirmwareUnclear
from imageport.model.job import DiagnosticsRequest, JobRequest, MigrateRequest
from imageport.model.target import DiskFormat, Firmware


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source's outside says; sizes in bytes. `fingerprint` changes when it is written."""

    format: DiskFormat
    virtual_size: int
    file_size: int
    data: int
    fingerprint: str
    firmware: Firmware
    layers: int = 1
    """Files of its chain."""
    here: bool = True
    """Whether it is a file of this computer."""


def check_source(request: JobRequest, access: Access = HERE.source) -> SourceFacts:
    """Open the source and read its tables, and look into what goes with it.

    Raises DiskError, FirmwareUnclear, LibraryUnusable or IsoInvalid.
    """
    firmware = None
    if isinstance(request, DiagnosticsRequest):
        firmware = Firmware.BIOS  # of the engine: the image itself is not started
    if isinstance(request, MigrateRequest):
        firmware = request.firmware
        if request.drivers:
            check_library(Path(request.drivers))
    with open_source(request.source, access) as reader:
        return SourceFacts(
            reader.format,
            reader.size,
            reader.file.size if isinstance(reader, MappedReader) else reader.size,
            data_bytes(reader),
            reader.fingerprint,
            firmware or firmware_of(reader, request.source),
            sum(1 for _ in reader.chain()) if isinstance(reader, MappedReader) else 1,
            is_local(request.source),
        )


def firmware_of(reader: DiskReader, path: str) -> Firmware:
    """What starts the image, by its partition table. Raises FirmwareUnclear."""

    def read_at(offset: int, length: int) -> bytes:
        buffer = bytearray(length)
        return bytes(buffer[: reader.read_into(offset, buffer)])

    partitions = gpt_partitions(read_at)
    if partitions and any(partition.kind == EFI_SYSTEM for partition in partitions):
        return Firmware.UEFI
    if has_boot_code(read_at):
        return Firmware.BIOS
    raise FirmwareUnclear(path=path)
