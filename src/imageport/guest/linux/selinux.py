"""SELinux labels of what is written offline.

A file made without a label is `unlabeled_t`, which confined services may not read: a guest that
enforces would not start its network. `/.autorelabel` cures that by labelling every file of every
volume in the next boot (minutes, and a restart more). Here each file written gets the label that
the file had before it, else that of a file beside it, else its folder's: the policies' own rules
mostly follow folders as well. The first boot then runs `restorecon` over the few folders that were
written to, which knows the exceptions. The label is the attribute `security.selinux` (selinux(8),
xattr(7)); it is stored whether or not this kernel enforces anything.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

RELABEL: Final = "/.autorelabel"
"""Order for the next boot to label everything, which then restarts the machine (selinux(8))."""
_ATTRIBUTE: Final = "security.selinux"


def label_of(place: Path) -> bytes | None:
    """The label of a file, folder or link itself; None without one."""
    try:
        return os.getxattr(place, _ATTRIBUTE, follow_symlinks=False)
    except OSError:
        return None


def fitting(place: Path) -> bytes | None:
    """The label for what is to lie at `place`: its own, a neighbour's, or the folder's."""
    own = label_of(place)
    if own or label_of(place.parent) is None:
        return own
    for other in sorted(place.parent.iterdir()):
        if other.is_file() and not other.is_symlink() and label_of(other):
            return label_of(other)
    return label_of(place.parent)


def set_label(place: Path, label: bytes | None) -> None:
    """Give `place` the label; nothing for None, and where a file system has no labels (FAT)."""
    if label is None:
        return
    try:
        os.setxattr(place, _ATTRIBUTE, label, follow_symlinks=False)
    except OSError as refused:
        if refused.errno != 95:  # EOPNOTSUPP
            raise


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it, each with its parent's label."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir()
    set_label(folder, label_of(folder.parent))


def is_labelled(place: Path) -> bool:
    """False for what lies without a label in a folder that has one."""
    return label_of(place) is not None or label_of(place.parent) is None
