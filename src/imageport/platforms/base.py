"""What a platform can do: the verbs that jobs are written against (DESIGN section 3).

Every verb is idempotent by job: a second call finds what the first made. That is what makes
crash recovery simple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from imageport.model.target import DiskFormat, Firmware


class Handover(StrEnum):
    """How the image's OS gets the engine's machine."""

    INSIDE = "inside"
    """The engine restarts its machine into the image, and is back after the next restart."""
    RECREATE = "recreate"
    """The firmware would not start a second disk: the engine's machine is deleted, one of the
    image's disk alone runs until it has restarted or stopped, and the engine's is made again."""


class Role(StrEnum):
    """What a machine of a job is for."""

    ENGINE = "engine"
    IMAGE = "image"
    """Starts the prepared image alone (`Handover.RECREATE`)."""
    UNTOUCHED = "untouched"
    """Starts the source as it is; what it writes is thrown away."""


@dataclass(frozen=True, slots=True)
class DiskRef:
    """A disk as the platform knows it; here a file and its format."""

    path: Path
    format: DiskFormat


@dataclass(frozen=True, slots=True)
class EngineVm:
    """An engine's machine: who owns it, and where its agent answers."""

    job: str
    address: str
    """`host:port` of the agent's HTTPS."""


@dataclass(frozen=True, slots=True)
class Console:
    """What a machine shows: the text of its serial port so far, and its screen."""

    text: str
    picture: bytes | None
    """PNG, or None when there is no screen to be had (the machine is gone)."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that a job made and that is still there although the job lives no more."""

    job: str
    kind: str
    """`machine`, `files`, `partial-output` or `snapshot`."""
    name: str
    size: int | None = None
    """Bytes, for files and snapshots."""


class Platform(Protocol):
    """The verbs."""

    @property
    def isolated(self) -> bool:
        """Whether machines of jobs reach nobody."""

    def handover(self, firmware: Firmware) -> Handover:
        """How an image with `firmware` gets the engine's machine."""

    def create_engine(
        self, job: str, image: DiskRef, firmware: Firmware, boot_data: str
    ) -> EngineVm:
        """The engine's machine of `job` with `image` as its second disk; made, or found again.

        `boot_data` is the text that the agent reads at its start (secret). Raises MachineDied.
        """

    def find_engine(self, job: str) -> EngineVm | None:
        """The engine's machine of `job`, if it runs, whoever has it at the moment."""

    def reset_engine(self, job: str) -> None:
        """A hard reset: the engine is back afterwards, whatever ran. Raises MachineDied."""

    def console(self, job: str, role: Role) -> Console:
        """What a machine of the job shows, or showed before it ended."""

    def start(self, job: str, role: Role, disk: DiskRef, firmware: Firmware) -> None:
        """Start a machine of `disk` alone, in the place of the job's others (but `UNTOUCHED`, which
        runs beside the engine). A restart that it asks for ends it. Raises MachineDied."""

    def ended(self, job: str, role: Role) -> bool:
        """Whether the machine of `start` is not there, or has restarted, stopped or died."""

    def stop(self, job: str, role: Role) -> None:
        """End a machine, if it runs."""

    def release(self, job: str) -> None:
        """Delete every machine made for the job. Safe to repeat."""

    def leftovers(self, living: Sequence[str]) -> list[Leftover]:
        """What is there of jobs other than those in `living`."""
