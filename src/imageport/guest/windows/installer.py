"""Lines of batch that run an installer and tell a success from a failure."""

from __future__ import annotations

from typing import Final

_RESTART: Final = (1641, 3010)
"""Windows Installer: a restart was begun, or is needed."""
_REMOVED: Final = (1605, 1614, *_RESTART)
"""It was not installed, twice."""
_INSTALLED: Final = (1638, *_RESTART)
"""Another version of it is there."""


def msi(path: str, properties: str = "") -> str:
    """Install an MSI without asking, and without its own restart."""
    more = f" {properties}" if properties else ""
    command = f'msiexec /i "{path}" /qn /norestart REBOOT=ReallySuppress{more}'
    return f"{command}\n{_codes(_INSTALLED)}"


def remove(product_code: str) -> str:
    """Remove a product. VMware's own entry says /I; /x removes whatever the entry says."""
    command = f"msiexec /x {product_code} /quiet /norestart REBOOT=ReallySuppress"
    return f"{command}\n{_codes(_REMOVED)}"


def program(path: str, arguments: str, good: tuple[int, ...] = ()) -> str:
    """Run an installer's program and wait for it; `good` codes are successes besides 0."""
    return f'start "" /wait "{path}" {arguments}\n{_codes((*good, *_INSTALLED))}'


def _codes(good: tuple[int, ...]) -> str:
    kept = "".join(f'if "%code%"=="{code}" exit /b 0\n' for code in good)
    return f'set "code=%errorlevel%"\n{kept}exit /b %code%'
