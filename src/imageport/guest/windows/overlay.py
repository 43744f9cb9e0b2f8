"""Files that Windows keeps compressed (CompactOS): as reparse points of its overlay filter (WOF).

Tags and attributes: [MS-FSCC] 2.1.2.1 and 2.6.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

WOF_TAG: Final = 0x80000017
"""IO_REPARSE_TAG_WOF."""
_REPARSE_POINT: Final = 0x400
"""FILE_ATTRIBUTE_REPARSE_POINT."""
_UNSUPPORTED: Final = f"unsupported reparse tag 0x{WOF_TAG:08x}"
"""Where ntfs-3g lets such a file point to, as a link, unless it has the plugin that reads it."""
_ATTRIBUTES: Final = "system.ntfs_attrib"
"""The extended attribute by which both drivers, ntfs3 and ntfs-3g, give a file's attributes."""


def is_compressed(place: Path) -> bool:
    """True when `place`, a program of Windows, is compressed by the overlay filter."""
    if place.is_symlink():
        return str(place.readlink()).startswith(_UNSUPPORTED)
    try:
        held = os.getxattr(place, _ATTRIBUTES)
    except OSError:
        return False  # no NTFS, or a driver that does not tell
    return len(held) == 4 and bool(struct.unpack("<I", held)[0] & _REPARSE_POINT)
