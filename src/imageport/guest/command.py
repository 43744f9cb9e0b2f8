"""The one place where the guest layer runs a program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from imageport.guest.errors import CommandError

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
}
_TIMEOUT = 1800.0
"""Seconds: an initramfs rebuilt under emulation may take many minutes."""


def attempt(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float = _TIMEOUT,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run `argv` and return how it went, with its output; `timeout` is in seconds.

    A missing program, and one that outlasts `timeout`, raise `CommandError`.
    """
    words = [os.fspath(word) for word in argv]
    try:
        return subprocess.run(
            words,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env={**_ENVIRONMENT, **(environment or {})},
        )
    except FileNotFoundError as missing:
        raise CommandError(program=words[0], status=127, output="not installed") from missing
    except subprocess.TimeoutExpired as late:
        raise CommandError(
            program=" ".join(words[:4]), status=124, output=f"still running after {timeout:.0f} s"
        ) from late


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float = _TIMEOUT,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run `argv` and return its output; raises `CommandError` unless it exits with 0."""
    done = attempt(argv, timeout=timeout, environment=environment)
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        last = " / ".join(line.strip() for line in output.splitlines()[-4:] if line.strip())
        program = " ".join(os.fspath(word) for word in argv[:4])
        raise CommandError(program=program, status=done.returncode, output=last or "no output")
    return output
