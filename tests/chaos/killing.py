"""kill -9 of a command at a line of its progress."""

from __future__ import annotations

import os
import re
import signal
import time

from tests.system.command import started


def killed_at(pattern: str, arguments: list[str], log: list[str], *, after: float = 0) -> bool:
    """Run until a line matches, kill -9; false when it ended before."""
    with started(*arguments) as process:
        for line in process.stderr or ():
            log.append(line)
            if re.search(pattern, line):
                time.sleep(after)
                os.kill(process.pid, signal.SIGKILL)
                break
    log.append(f"killed at {pattern}, {after} s\n")
    return process.returncode == -signal.SIGKILL
