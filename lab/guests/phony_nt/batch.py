"""The exit code that a first-boot step would end with, as far as its text alone tells it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_EXIT: Final = re.compile(r"@?exit(?:\s+/b)?(?:\s+(-?\d+))?\s*", re.IGNORECASE)
_BY_CODE: Final = re.compile(r'if "%code%"=="(-?\d+)" exit /b (-?\d+)', re.IGNORECASE)
_SAME: Final = re.compile(r"exit /b %code%", re.IGNORECASE)
_END: Final = re.compile(r"@?goto\s+:?eof\s*", re.IGNORECASE)


def exit_code(script: Path, installed: int | None = None) -> int:
    """The code of the first unconditional `exit` line, else 0. Other commands are not run.

    `installed` is what the installer ended with that the script runs: `%code%`.
    """
    for line in script.read_text(encoding="utf-8", errors="replace").splitlines():
        command = line.strip()
        if installed is not None:
            by_code = _BY_CODE.fullmatch(command)
            if by_code and int(by_code.group(1)) == installed:
                return int(by_code.group(2))
            if _SAME.fullmatch(command):
                return installed
        left = _EXIT.fullmatch(command)
        if left:
            return int(left.group(1) or 0)
        if _END.fullmatch(command):
            return 0
    return 0
