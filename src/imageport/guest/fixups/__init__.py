"""All fix-ups. A new one is a file in `linux` or `windows`, named in that package's list."""

from __future__ import annotations

from imageport.guest.fixup import FixUp
from imageport.guest.fixups import linux as linux
from imageport.guest.fixups import windows as windows
from imageport.model.guest import OsFamily


def in_order(family: OsFamily) -> tuple[FixUp, ...]:
    """All fix-ups of a family, in the order in which they are planned and applied."""
    chosen = (each for each in FixUp.registry.values() if each.family is family)
    return tuple(sorted(chosen, key=lambda each: (each.order, each.name)))
