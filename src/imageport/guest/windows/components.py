"""The component source: a folder with Citrix's installers, which this knows by their names.

    .../MachineIdentityServiceAgent_x64.msi   Machine Identity Service Agent
    .../MCSIO_x64.msi                         MCS' storage optimisation
    .../PVS_Device_x64.exe                    target device of Citrix Provisioning

The version is in a name of the path: a release (`2203`, `PVS_Device_x64_2407.exe`) or a version of
the part (`7.33`, `7.33.5000.12`), of which the VDA's release says which belongs to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from imageport.model.windows_facts import CitrixPart

_FILES: Final = (
    (CitrixPart.MISA, re.compile(r"(citrix)?[ _]?machine ?identity ?service ?agent.*\.msi", re.I)),
    (CitrixPart.MCSIO, re.compile(r"(citrix)?[ _]?mcs ?io.*\.msi", re.I)),
    (CitrixPart.PVS_TARGET, re.compile(r"pvs_device_x64.*\.exe", re.I)),
)
_OTHER: Final = re.compile(r"x86|arm64", re.I)
_VERSION: Final = re.compile(r"(?<![\d.])(\d{1,4}(?:\.\d+){1,3}|(?:19|2\d)\d{2})(?![\d])")
_PARTS: Final = {"1912": "7.24", "2203": "7.33", "2402": "7.41"}
"""Releases of the VDA, and what its parts' versions begin with."""
_LONG_TERM: Final = (1912, 2203)
_FIRST_CURRENT: Final = 2402


@dataclass(frozen=True, slots=True)
class Installer:
    """One installer; `path` is below the source, `version` None where no name says it."""

    part: CitrixPart
    path: str
    version: str | None


def recognised(path: str) -> Installer | None:
    """The installer at `path`; None when it is none of them, or one for another processor."""
    name = PurePosixPath(path).name
    part = next((part for part, pattern in _FILES if pattern.fullmatch(name)), None)
    if part is None or _OTHER.search(name):
        return None
    versions = _VERSION.findall(path)
    return Installer(part, path, versions[-1] if versions else None)


def installers(source: str) -> tuple[Installer, ...]:
    """All of a folder, by path."""
    root = Path(source)
    paths = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*.*")))
    return tuple(found for path in paths if (found := recognised(path)))


def fitting(found: Iterable[Installer], part: CitrixPart, wanted: str | None) -> Installer | None:
    """The installer of `part` for the version or release `wanted`, else the only one without a
    version."""
    of_part = [each for each in found if each.part is part]
    exact = [each for each in of_part if wanted and each.version and same(each.version, wanted)]
    unnamed = [each for each in of_part if each.version is None]
    return exact[-1] if exact else unnamed[0] if len(unnamed) == 1 else None


def same(one: str, other: str) -> bool:
    """True when one is the other, or its beginning: `7.33` and `7.33.5000`, `2203` and `7.33.1`."""
    shorter, longer = sorted((_long(one), _long(other)), key=len)
    return longer[: len(shorter)] == shorter


def compared(one: str, other: str) -> int | None:
    """Below 0 when `one` is older than `other`, 0 when they are the `same`, else above 0.

    None when nothing says which: one of them is a release whose parts' version is not known here
    (`2407` and `7.33`), or no version at all.
    """
    numbers = [_numbers(each) for each in (one, other)]
    if not all(numbers) or _is_release(numbers[0]) is not _is_release(numbers[1]):
        return None
    common = min(map(len, numbers))
    first, second = (each[:common] for each in numbers)
    return (first > second) - (first < second)


def _numbers(version: str) -> list[int]:
    parts = _long(version)
    return [int(each) for each in parts] if all(each.isdecimal() for each in parts) else []


def _is_release(numbers: list[int]) -> bool:
    return numbers[0] >= _LONG_TERM[0]


def _long(version: str) -> list[str]:
    first, *rest = version.split(".")
    known = _PARTS.get(first)
    return known.split(".") if known else [first, *rest]


def supported(vda: str | None) -> bool:
    """Whether parts can be added to this VDA: the long-term releases, and 2402 and newer."""
    first = (vda or "").split(".")[0]
    release = int(first) if first.isdecimal() else 0
    return release in _LONG_TERM or release >= _FIRST_CURRENT
