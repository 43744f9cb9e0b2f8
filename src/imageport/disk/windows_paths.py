"""Parents named by Windows paths, as files that may exist here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PureWindowsPath


def candidates(names: Iterable[str]) -> list[str]:
    r"""POSIX names to try for parents called `names`, in order and each once.

    A relative path is tried as it is. Of an absolute Windows path (`C:\...`, `\\server\...`) only
    the last part can mean anything here: a file beside the child. So it is tried for every name.
    """
    found: dict[str, None] = {}
    for name in names:
        path = PureWindowsPath(name)
        if not path.anchor:
            found[path.as_posix()] = None
        elif name.startswith("/"):
            found[name] = None
    for name in names:
        found[PureWindowsPath(name).name] = None
    return [name for name in found if name not in ("", ".")]
