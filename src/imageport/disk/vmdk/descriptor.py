"""The text part of a VMDK ("Virtual Disk Format 5.0", The Descriptor File)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

MAGIC = b"# Disk DescriptorFile"
MAX_SIZE = 64 * 1024
"""Bytes of a descriptor that is read; real ones have about 1 KiB."""
MAX_EXTENTS = 4096
NO_PARENT = 0xFFFFFFFF

_EXTENT = re.compile(
    r"^(?P<access>RW|RDONLY|NOACCESS)\s+(?P<sectors>\d{1,18})\s+(?P<kind>[A-Z0-9]+)"
    r'(?:\s+"(?P<name>[^"]*)"(?:\s+(?P<offset>\d{1,18}))?)?\s*$'
)
_SETTING = re.compile(r'^\s*(?P<key>[A-Za-z0-9_.]+)\s*=\s*"?(?P<value>[^"]*?)"?\s*$')


class PartKind(StrEnum):
    """The kinds of extent that are read; others exist."""

    FLAT = "FLAT"
    VMFS = "VMFS"
    SPARSE = "SPARSE"
    ZERO = "ZERO"


@dataclass(frozen=True, slots=True)
class Part:
    """One extent line: a part of the disk in a file; `offset` (in the file) in sectors."""

    sectors: int
    kind: str
    """A `PartKind`, or one that is not read."""
    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a descriptor says."""

    create_type: str
    content_id: int
    parent_content_id: int
    parent_hint: str | None
    parts: tuple[Part, ...]
    database: dict[str, str] = field(default_factory=dict)
    """The `ddb.` entries."""


def parse(text: bytes) -> Descriptor:
    """Read a descriptor. Raises `ValueError` saying what is wrong."""
    settings: dict[str, str] = {}
    parts: list[Part] = []
    # Names in other code pages than UTF-8 exist; they survive as surrogates.
    for line in text.partition(b"\0")[0].decode("utf-8", "surrogateescape").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := _EXTENT.match(line.strip()):
            parts.append(_part(match))
        elif match := _SETTING.match(line):
            settings[match["key"]] = match["value"]
    if len(parts) > MAX_EXTENTS:
        raise ValueError(f"{len(parts)} extents")
    return Descriptor(
        create_type=settings.get("createType", ""),
        content_id=_hex(settings.get("CID", "fffffffe")),
        parent_content_id=_hex(settings.get("parentCID", "ffffffff")),
        parent_hint=settings.get("parentFileNameHint"),
        parts=tuple(parts),
        database={key: value for key, value in settings.items() if key.startswith("ddb.")},
    )


def stream_text(name: str, sectors: int, content_id: int) -> bytes:
    """The descriptor of a streamOptimized disk of `sectors`, as VMware's own export has it."""
    cylinders = max(1, min(65535, sectors // (255 * 63)))
    lines = (
        "# Disk DescriptorFile",
        "version=1",
        f"CID={content_id:08x}",
        f"parentCID={NO_PARENT:08x}",
        'createType="streamOptimized"',
        "# Extent description",
        f'RW {sectors} SPARSE "{name}"',
        "# The Disk Data Base",
        "#DDB",
        'ddb.adapterType = "lsilogic"',
        f'ddb.geometry.cylinders = "{cylinders}"',
        'ddb.geometry.heads = "255"',
        'ddb.geometry.sectors = "63"',
        'ddb.virtualHWVersion = "4"',
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _part(match: re.Match[str]) -> Part:
    if match["kind"] != PartKind.ZERO and not match["name"]:
        raise ValueError("an extent without a file name")
    sectors = int(match["sectors"])
    return Part(sectors, match["kind"], match["name"] or "", int(match["offset"] or 0))


def _hex(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise ValueError(f"the content id {text!r}") from None
