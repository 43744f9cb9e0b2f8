r"""Staging driver packages beside the first-boot runner, which installs them with pnputil."""

from __future__ import annotations

from collections.abc import Sequence

from imageport.guest.fixup import Step
from imageport.guest.session import Session
from imageport.guest.windows.driver_library import DriverPackage
from imageport.guest.windows.edits import copy_in
from imageport.guest.windows.runner import DRIVERS


def stage_package(session: Session, package: DriverPackage, name: str) -> None:
    """Copy a package's files to where the first boot installs them from."""
    for file in package.files:
        copy_in(session, file, f"{DRIVERS}\\{name}\\{file.name}")


def install_step(name: str, packages: Sequence[str]) -> Step:
    """A step that installs staged packages. pnputil's 259 (no device needs it now) and 3010 and
    1641 (restart needed) are successes ("PnPUtil return values", Microsoft)."""
    lines = ["set result=0"]
    for package in packages:
        lines += [
            f'if exist "%~dp0..\\drivers\\{package}" '
            f'pnputil /add-driver "%~dp0..\\drivers\\{package}\\*.inf" /install',
            'set "code=%errorlevel%"',
            'if not "%code%"=="0" if not "%code%"=="259" if not "%code%"=="3010" '
            'if not "%code%"=="1641" set "result=%code%"',
        ]
    return Step(name, "\n".join((*lines, "exit /b %result%")))
