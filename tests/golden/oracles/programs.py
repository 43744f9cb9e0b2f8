"""The independent programs that `make test-full` installs into an environment of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
PYTHON: Final = ROOT / ".oracles/bin/python"


def said(program: str, *arguments: str | Path) -> str:
    """What the program `program` of this folder prints, run by that environment's Python."""
    done = subprocess.run(
        [PYTHON, "-I", Path(__file__).with_name(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
