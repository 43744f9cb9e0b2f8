"""The one place that spawns programs: argv lists in, text out, errors of our family."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from imageport.host.errors import ToolFailed, ToolMissing, ToolTimeout

Argument = str | os.PathLike[str]

_OUTPUT_KEPT = 2000
"""Characters of a failed program's output that are kept in the error."""


def run(
    argv: Sequence[Argument],
    *,
    stdin: str = "",
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program to its end and return what it printed (stdout, then stderr merged in).

    `env` is added to the environment; `timeout` is in seconds. Messages are asked for in English
    (`LC_ALL=C`) so that they can be read by a program.

    Raises ToolMissing, ToolFailed or ToolTimeout.
    """
    command = [os.fspath(part) for part in argv]
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            env=tool_environment(env or {}),
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolMissing(tool=command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise ToolTimeout(tool=command[0], seconds=timeout) from error
    if done.returncode != 0:
        raise ToolFailed(
            tool=Path(command[0]).name,
            exit_code=done.returncode,
            output=done.stdout.strip()[-_OUTPUT_KEPT:],
        )
    return done.stdout


def tool_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment for a tool: ours, in English, with the folders of administrators' tools.

    Debian keeps mke2fs, sgdisk and depmod in /usr/sbin, which is not on an ordinary user's PATH.
    """
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "LC_ALL": "C", "PATH": f"{path}:/usr/sbin:/sbin", **extra}
