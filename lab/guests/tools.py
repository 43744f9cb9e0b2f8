"""Run the programs that builds are made of."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imageport.model.errors import ImageportError


class ToolFailedError(ImageportError):
    """A program of a build ended with an error."""

    code = "lab.tool-failed"
    sentence = "{program} ended with code {code}: {output}"
    remedy = "Read the program's own words above; the command was: {command}"


class ToolMissingError(ImageportError):
    """A program of a build is not installed."""

    code = "lab.tool-missing"
    sentence = "The program {program} is not on this machine."
    remedy = "Install the Debian packages that lab/guests/README.md lists."


def run(*command: str | Path, given: bytes | None = None, cwd: Path | None = None) -> bytes:
    """Run `command`, with `given` on its standard input; return what it printed.

    Raises `ToolMissingError`, and `ToolFailedError` with the end of what it said.
    """
    argv = [str(word) for word in command]
    try:
        done = subprocess.run(argv, input=given, cwd=cwd, capture_output=True, check=False)
    except FileNotFoundError as missing:
        raise ToolMissingError(program=argv[0]) from missing
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-2000:]
        raise ToolFailedError(
            program=argv[0], code=done.returncode, output=said, command=" ".join(argv)
        )
    return done.stdout
