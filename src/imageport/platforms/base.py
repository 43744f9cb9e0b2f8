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
    """The firmware would not start a second disk: the engine's machine is deleted, one is made with
    the image's disk alone, deleted when it has restarted or stopped, and the engine's made again."""


@dataclass(frozen=True, slots=True)
class DiskRef:
    """A disk as the platform knows it; here a file and its format."""

    path: Path
    format: DiskFormat


@dataclass(frozen=True, slots=True)
class EngineVm:
    """An engine's machine: who owns it, where its agent answers, how it hands over."""

    job: str
    address: str
    """`host:port` of the agent's HTTPS."""
    handover: Handover


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
    """`machine`, `files` or `partial-output`."""
    name: str
    size: int | None = None
    """Bytes, for files."""


class Platform(Protocol):
    """The verbs."""

    def create_engine(
        self, job: str, image: DiskRef, firmware: Firmware, boot_data: str
    ) -> EngineVm:
        """The engine's machine of `job` with `image` as its second disk; made, or found again.

        `boot_data` is the text that the agent reads at its start (secret). Raises MachineDied.
        """

    def engine_alive(self, vm: EngineVm) -> bool:
        """Whether the engine's machine is there and runs, whoever has it at the moment."""

    def reset_engine(self, vm: EngineVm) -> None:
        """A hard reset: the engine is back afterwards, whatever ran."""

    def console(self, job: str) -> Console:
        """What the job's present machine shows."""

    def start_image(self, job: str, image: DiskRef, firmware: Firmware) -> None:
        """RECREATE only: delete the engine's machine, make one that starts `image`."""

    def image_ended(self, job: str) -> bool:
        """RECREATE only: whether the machine of `start_image` has restarted, stopped or died."""

    def release(self, job: str) -> None:
        """Delete every machine made for the job. Safe to repeat."""

    def leftovers(self, living: Sequence[str]) -> list[Leftover]:
        """What is there of jobs other than those in `living`."""
