"""Structures of sparse VMDK extents ("Virtual Disk Format 5.0").

All integers are little-endian; sectors are 512 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar, Self

MAGIC = b"KDMV"
HEADER_SIZE = 512
GD_AT_END = 0xFFFFFFFFFFFFFFFF
"""Grain directory offset of a header whose real values are in the footer."""
FOOTER_DISTANCE = 1024
"""From the footer (a copy of the header) to the end: itself and the end-of-stream marker."""
DEFLATE = 1
GRAIN_MARKER = struct.Struct("<QI")
"""Sector of the disk and length in bytes of the compressed data that follows."""
METADATA_MARKER = struct.Struct("<QII496x")
"""Sectors of metadata that follow, zero, and the kind."""
ZEROED_GRAIN = 1


class Marker(IntEnum):
    """Kinds of metadata marker in a stream."""

    END_OF_STREAM = 0
    GRAIN_TABLE = 1
    GRAIN_DIRECTORY = 2
    FOOTER = 3


class Flag(IntEnum):
    """Bits of the header's flags."""

    NEWLINE_TEST = 1 << 0
    REDUNDANT_TABLE = 1 << 1
    ZEROED_GRAINS = 1 << 2
    COMPRESSED = 1 << 16
    MARKERS = 1 << 17


@dataclass(frozen=True, slots=True)
class SparseHeader:
    """The header of a sparse extent (and its footer); sizes and offsets in sectors."""

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_offset: int
    descriptor_size: int
    table_entries: int
    redundant_directory: int
    directory: int
    overhead: int
    unclean: int
    compression: int

    _STRUCT: ClassVar[struct.Struct] = struct.Struct("<4sIIQQQQIQQQB4sH433x")
    _NEWLINES: ClassVar[bytes] = b"\n \r\n"

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read a header of 512 bytes. Raises `ValueError` saying what is wrong."""
        fields = cls._STRUCT.unpack(data)
        if fields[0] != MAGIC:
            raise ValueError("the magic number is not 'KDMV'")
        if fields[12] != cls._NEWLINES:
            raise ValueError("its line ends were changed in transfer")
        return cls(*(*fields[1:12], fields[13]))

    def pack(self) -> bytes:
        """The 512 bytes of the header."""
        *front, compression = astuple(self)
        return self._STRUCT.pack(MAGIC, *front, self._NEWLINES, compression)

    def has(self, flag: Flag) -> bool:
        """True when the flag is set."""
        return bool(self.flags & flag)
