"""What is checked before any work: source, output, space. Takes seconds and changes nothing."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from imageport.disk.base import MIB, DiskReader, data_bytes
from imageport.disk.open import open_disk
from imageport.engine.library import check_library
from imageport.host.home import home
from imageport.host.partition_table import EFI_SYSTEM, gpt_partitions, has_boot_code
from imageport.jobs.child import check_child
from imageport.jobs.errors import FirmwareUnclear, NoSpace, OutputExists, OutputFolder
from imageport.jobs.vdisk import check_vdisk
from imageport.model.job import DiagnosticsRequest, JobRequest, MigrateRequest
from imageport.model.target import DiskFormat, Firmware
from imageport.model.wishes import Operation

WORK_SPACE = 1024 * MIB
"""Bytes that the changes to an image, the engine's disk and the logs may take in our own folder."""


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


def check_source(request: JobRequest) -> SourceFacts:
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
    path = Path(request.source)
    with open_disk(path) as reader:
        return SourceFacts(
            reader.format,
            reader.size,
            path.stat().st_size,
            data_bytes(reader),
            reader.fingerprint,
            firmware or firmware_of(reader, path),
            sum(1 for _ in reader.chain()),
        )


def firmware_of(reader: DiskReader, path: Path) -> Firmware:
    """What starts the image, by its partition table. Raises FirmwareUnclear."""

    def read_at(offset: int, length: int) -> bytes:
        buffer = bytearray(length)
        return bytes(buffer[: reader.read_into(offset, buffer)])

    partitions = gpt_partitions(read_at)
    if partitions and any(partition.kind == EFI_SYSTEM for partition in partitions):
        return Firmware.UEFI
    if has_boot_code(read_at):
        return Firmware.BIOS
    raise FirmwareUnclear(path=str(path))


def check_output(request: JobRequest, source: SourceFacts) -> None:
    """Raises OutputExists, OutputFolder, NoSpace, and what checks of children and vDisks do."""
    output = Path(request.output)
    for path in (output, proof_folder(output)):
        if path.exists():
            raise OutputExists(path=str(path))
    folder = output.parent
    if not folder.is_dir():
        raise OutputFolder(path=str(folder), detail="there is no such folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputFolder(path=str(folder), detail=error.strerror or str(error)) from error
    if isinstance(request, MigrateRequest) and request.operation is Operation.UPGRADE_PVS:
        check_vdisk(request, source.format)
    size = source.data
    if request.writes_child:
        check_child(request, source.format)
        size = WORK_SPACE  # no more than has changed
    # A chain is copied first, see `base_of`.
    work = WORK_SPACE + (source.data if source.layers > 1 else 0)
    if folder.stat().st_dev == home().stat().st_dev:
        check_space(folder, size + work)
    else:
        check_space(folder, size)
        check_space(home(), work)


def check_space(folder: Path, needed: int) -> None:
    """Raises NoSpace when fewer than `needed` bytes are free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpace(path=str(folder), free=free, needed=needed)


def proof_folder(output: Path) -> Path:
    """Where the proof of an output goes."""
    return output.with_name(output.name + ".proof")


def proof_draft(output: Path) -> Path:
    """Where it is written until it is whole."""
    return output.with_name(output.name + ".proof.partial")


def failure_folder(output: Path) -> Path:
    """Where the evidence of a migration that failed goes."""
    return output.with_name(output.name + ".failure")
