"""The target's own tools and agents, from the driver library, installed in the first boot.

As a whole and by their own installer: XenServer's drivers above all, which offline and by halves
leave a machine without its disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.fixup import FixUp, Step, Task
from imageport.guest.session import Session
from imageport.guest.windows.edits import copy_in
from imageport.guest.windows.installer import msi, program
from imageport.guest.windows.runner import FILES
from imageport.model.guest import Change, OsFamily
from imageport.model.target import Target


@dataclass(frozen=True, slots=True)
class _Installer:
    """`file` matches its name, `product` the entry that it leaves among installed programs.

    `arguments` are those of a program; an MSI has none of its own.
    """

    name: str
    file: str
    product: str
    arguments: str = ""


_INSTALLERS: Final = {
    Target.VSPHERE: (
        _Installer(
            "vmware-tools",
            r"(VMware-tools-.*x86_64|setup64)\.exe",
            r"^VMware Tools$",
            '/S /v"/qn REBOOT=R"',
        ),
    ),
    Target.XENSERVER: (
        _Installer(
            "xenserver-tools",
            r"managementagent-?x64\.msi",
            r"XenServer (Tools|VM Tools)|^Citrix (Hypervisor|VM Tools)",
        ),
    ),
    Target.AHV: (_Installer("nutanix-virtio", r"Nutanix-VirtIO-.*amd64\.msi", r"^Nutanix VirtIO"),),
    Target.AZURE: (
        _Installer("azure-agent", r"WindowsAzureVmAgent.*\.msi", r"^Windows Azure VM Agent"),
    ),
    Target.AWS: (
        _Installer("ec2launch", r"AmazonEC2Launch.*\.msi", r"^Amazon EC2Launch"),
        _Installer("aws-pv-drivers", r"AWSPVDriver.*\.msi", r"^AWS PV Drivers"),
    ),
}
"""Their vendors' own names and options for unattended installation."""


class PlatformTools(FixUp):
    """Nothing where they are installed already, or the library does not have them."""

    name = "platform-tools"
    family = OsFamily.WINDOWS
    order = 61

    def plan(self, task: Task) -> tuple[Change, ...]:
        """What would be looked for in the library."""
        return tuple(
            Change(
                self.name,
                f"{each.name} waits for the first boot",
                rf"{FILES}\{each.name}",
                None,
                "from the driver library, if it has it",
            )
            for each in _wanted(task)
        )

    def steps(self, task: Task) -> tuple[Step, ...]:
        """One each: a tool that does not install leaves an image that boots."""
        return tuple(
            Step(f"install-{each.name}", _command(each), required=False) for each in _wanted(task)
        )

    def library_files(self, task: Task) -> tuple[Path, ...]:
        """The installers that the library has."""
        found = (_find(task, each) for each in _wanted(task))
        return tuple(path for path in found if path)

    def apply(self, session: Session, task: Task) -> None:
        """Copy them."""
        for each in _wanted(task):
            path = _find(task, each)
            if path:
                copy_in(session, path, rf"{FILES}\{each.name}\{_file(each)}")


def _wanted(task: Task) -> tuple[_Installer, ...]:
    if not task.options.drivers:
        return ()
    names = [product.name for product in task.windows.installed]
    return tuple(
        each
        for each in _INSTALLERS.get(task.target.target, ())
        if not any(re.search(each.product, name, re.IGNORECASE) for name in names)
    )


def _find(task: Task, installer: _Installer) -> Path | None:
    root = Path(task.options.drivers or "")
    pattern = re.compile(installer.file, re.IGNORECASE)
    found = (path for path in sorted(root.rglob("*.*")) if pattern.fullmatch(path.name))
    return next((path for path in found if path.is_file()), None)


def _file(installer: _Installer) -> str:
    """One name, whatever the version is: steps are planned without a look at the library."""
    return "setup.exe" if installer.arguments else "setup.msi"


def _command(installer: _Installer) -> str:
    place = rf"%files%\{installer.name}\{_file(installer)}"
    there = f'if not exist "{place}" exit /b 0\n'
    if installer.arguments:
        return there + program(place, installer.arguments)
    return there + msi(place)
