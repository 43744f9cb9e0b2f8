"""Memory that holds secrets stays in memory: no core file, and no look into it by the same user."""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4
"""prctl(2)."""


def keep_memory_private() -> None:
    """For this process; the programs that it starts leave no core file either. Raises OSError.

    The limit alone would not do: a `core_pattern` that names a program is not held to it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, *(ctypes.c_ulong(0),) * 4):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
