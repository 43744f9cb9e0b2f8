"""Lines of batch that run an installer and tell a success from a failure."""

from __future__ import annotations

from typing import Final

from imageport.guest.windows.runner import RESTART

_RESTART: Final = (1641, 3010)
"""Windows Installer: a restart was begun, or is needed."""
_REMOVED: Final = (1605, 1614, *_RESTART)
"""It was not installed, twice."""
_INSTALLED: Final = (1638, *_RESTART)
"""Another version of it is there."""


def msi(path: str, *, restart: bool = False) -> str:
    """Install an MSI without asking, and without its own restart.

    `restart`: what needs one gets it before the next step.
    """
    command = f'msiexec /i "{path}" /qn /norestart REBOOT=ReallySuppress'
    return f"{command}\n{_codes(_INSTALLED, _RESTART if restart else ())}"


def remove(product_code: str) -> str:
    """Remove a product. VMware's own entry says /I; /x removes whatever the entry says."""
    command = f"msiexec /x {product_code} /quiet /norestart REBOOT=ReallySuppress"
    return f"{command}\n{_codes(_REMOVED)}"


def program(
    path: str, arguments: str, *, restart: bool = False, restart_codes: tuple[int, ...] = ()
) -> str:
    """Run an installer's program and wait for it; `restart_codes` are its own."""
    needed = (*_RESTART, *restart_codes)
    command = f'start "" /wait "{path}" {arguments}'
    return f"{command}\n{_codes((*_INSTALLED, *restart_codes), needed if restart else ())}"


def _codes(good: tuple[int, ...], restart: tuple[int, ...] = ()) -> str:
    ends = dict.fromkeys(good, 0) | dict.fromkeys(restart, RESTART)
    kept = "".join(f'if "%code%"=="{code}" exit /b {end}\n' for code, end in ends.items())
    return f'set "code=%errorlevel%"\n{kept}exit /b %code%'
