"""Kernel command lines: words in, words out, order kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from imageport.guest.linux.fstab import partition_number

_CONSOLE = re.compile(r"console=ttyS\d+(,\S*)?|earlyprintk=ttyS\d+(,\S*)?")
_MANAGED = ("rootdelay=300", "nvme_core.io_timeout=4294967295", "net.ifnames=0", "biosdevname=0")
"""What preparations add: taken out first, so that an image prepared for a second target has only
that target's."""


def retargeted(words: Sequence[str], added: Sequence[str], *, serial: bool) -> tuple[str, ...]:
    """`words` without what an earlier preparation added, then `added`.

    With `serial` the line's own serial consoles go too: the target has one of its own.
    """
    kept = [word for word in words if word not in _MANAGED and word not in added]
    if serial:
        kept = [word for word in kept if not _CONSOLE.fullmatch(word)]
    return (*kept, *added)


def with_stable_root(
    words: Sequence[str], devices: Mapping[str, str], root: str
) -> tuple[str, ...]:
    """`words` with `root=` and `resume=` of this disk by their stable names.

    `devices` and `root` are as for `fstab.stable` and `fstab.partition_number`.
    """

    def stable(word: str) -> str:
        key, separator, device = word.partition("=")
        if not separator or key not in ("root", "resume"):
            return word
        # A boot loader's own root= may name the disk otherwise than fstab does: it is this disk.
        number = partition_number(device, device if key == "root" else root)
        name = devices.get(str(number))
        return f"{key}={name}" if name else word

    return tuple(stable(word) for word in words)
