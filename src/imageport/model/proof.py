"""The proof: what every job leaves beside its output."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from imageport.model.conversion import Conversion
from imageport.model.guest import Check, FirstBootReport, Inspection, Preparation
from imageport.model.job import ConvertRequest, MigrateRequest
from imageport.model.target import Controller, DiskFormat, Firmware


class Verdict(StrEnum):
    """How a boot went."""

    BOOTS = "boots"
    DOES_NOT_BOOT = "does-not-boot"
    UNDECIDED = "undecided"
    """It ran to the end of the time given and showed neither."""


@dataclass(frozen=True, slots=True)
class BootTrial:
    """One boot of the image on one machine; `seconds` until the verdict was clear.

    `picture` and `serial` name files beside the proof.
    """

    hardware: str
    firmware: Firmware
    controller: Controller
    verdict: Verdict
    reason: str
    seconds: float
    picture: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class DiskProof:
    """A disk and the tree hash of its content; sizes in bytes."""

    path: str
    format: DiskFormat
    virtual_size: int
    file_size: int
    root: str
    """Root of the tree hash, hex: independent of the format."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was done and seen. `seconds` maps each step's name to its duration."""

    job: str
    imageport: str
    engine: str
    started: str
    ended: str
    request: MigrateRequest
    source: DiskProof
    output: DiskProof
    inspection: Inspection
    preparation: Preparation
    first_boot: FirstBootReport
    checks_after_boot: tuple[Check, ...]
    untouched: BootTrial | None
    boot: BootTrial
    seconds: dict[str, float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 (hex) of each file beside the proof."""


@dataclass(frozen=True, slots=True)
class ConversionProof:
    """What was done and seen when an image became one for UEFI; the output is a child of the
    source."""

    job: str
    imageport: str
    engine: str
    started: str
    ended: str
    request: ConvertRequest
    source: DiskProof
    output: DiskProof
    conversion: Conversion
    seconds: dict[str, float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 (hex) of each file beside the proof."""


AnyProof = Proof | ConversionProof
