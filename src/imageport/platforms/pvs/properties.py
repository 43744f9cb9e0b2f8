"""The properties file of a vDisk, `NAME.pvp`, as far as it is understood.

Citrix does not document it. That it has 528,896 bytes and where the write cache type lies in it was
found out by others (PVS DiskUP, after Provisioning 7.9); what the types mean is documented
(`Set-PvsDisk`).
"""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import Final

SIZE: Final = 528_896
_TYPE_AT: Final = 256
_PRIVATE: Final = frozenset({0, 10})
_STANDARD: Final = frozenset({1, 3, 4, 6, 7, 9, 11, 12})


class Mode(StrEnum):
    """What target devices do with a vDisk."""

    PRIVATE = "private image mode"
    """One device reads and writes it."""
    STANDARD = "standard image mode"
    """Devices only read it; what they write goes to a cache."""
    UNKNOWN = "a mode that its properties do not say"


def mode_of(properties: bytes) -> Mode:
    """The mode that the content of a properties file says."""
    if len(properties) != SIZE:
        return Mode.UNKNOWN
    (kind,) = struct.unpack_from("<I", properties, _TYPE_AT)
    if kind in _PRIVATE:
        return Mode.PRIVATE
    return Mode.STANDARD if kind in _STANDARD else Mode.UNKNOWN
