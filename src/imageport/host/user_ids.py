"""Whether this user may have user ids of its own, which mmdebstrap needs unless root runs it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

_TABLES = (Path("/etc/subuid"), Path("/etc/subgid"))
ENOUGH = 65536
"""What Debian's useradd gives, and a Debian root has use for."""


def has_own_ids(tables: tuple[Path, ...] = _TABLES) -> bool:
    """True for root, and for a user with a large enough range in each table (subuid(5))."""
    uid = os.getuid()
    names = {str(uid), pwd.getpwuid(uid).pw_name}
    return uid == 0 or all(_has_range(table, names) for table in tables)


def _has_range(table: Path, names: set[str]) -> bool:
    lines = table.read_text().splitlines() if table.exists() else []
    ranges = (line.split(":") for line in lines)
    return any(
        len(fields) == 3
        and fields[0] in names
        and fields[2].isdecimal()
        # One range has to do: newuidmap would take several, mmdebstrap uses the first.
        and int(fields[2]) >= ENOUGH
        for fields in ranges
    )
