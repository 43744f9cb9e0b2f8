"""Diagnostics of an image: what is wanted of them, and what they came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DiagnosticsWants:
    """The parts, by Citrix's names `ceLogs`, `windowsEventLogs` and `ipsData`."""

    engine_logs: bool = True
    """What the compositing engine said meanwhile."""
    system_logs: bool = True
    """The image's own logs: of a Windows its event logs, of a Linux its journal and /var/log."""
    own_data: bool = True
    """What imageport knows of the image and left in it."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of the diagnostics: its path below their folder, its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What was collected, and where it lies."""

    job: str
    imageport: str
    """Our version."""
    source: str
    folder: str
    """A path, or an address."""
    systems: tuple[str, ...]
    """The operating systems that were found, as a person says them."""
    files: tuple[BundleFile, ...]
    problems: tuple[str, ...]
    """What could not be read, and what was left out."""


@dataclass(frozen=True, slots=True)
class DiagnosticsPlan:
    """What a dry run says; sizes in bytes."""

    source: str
    folder: str
    parts: tuple[str, ...]
    most: int
    """The most that the engine hands over."""
    free: int
    """Where the folder goes."""
