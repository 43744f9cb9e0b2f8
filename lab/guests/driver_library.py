"""A tiny driver library in the layout of virtio-win: `<driver>/<release>/amd64/<driver>.*`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.guests.windows_drivers import NET, SCSI, SYSTEM
from lab.guests.windows_files import portable_executable
from lab.guests.windows_spec import RELEASES


@dataclass(frozen=True, slots=True)
class _Package:
    name: str
    class_name: str
    class_guid: str
    devices: tuple[str, ...]
    group: str


_PACKAGES: Final = (
    _Package("vioscsi", "SCSIAdapter", SCSI, ("1004", "1048"), "SCSI miniport"),
    _Package("viostor", "SCSIAdapter", SCSI, ("1001", "1042"), "SCSI miniport"),
    _Package("netkvm", "Net", NET, ("1000", "1041"), "NDIS"),
    _Package("balloon", "System", SYSTEM, ("1002", "1045"), "Extended Base"),
)


def driver_library(folder: Path) -> Path:
    """Write the library into `folder` and return it: vioscsi, viostor, netkvm and balloon.

    The `.sys` files are empty programs for x64, the `.cat` files are no signatures: it serves the
    phony Windows only.
    """
    for package in _PACKAGES:
        for release in {each.driver_folder for each in RELEASES.values()}:
            place = folder / package.name / release / "amd64"
            place.mkdir(parents=True)
            (place / f"{package.name}.sys").write_bytes(portable_executable())
            (place / f"{package.name}.cat").write_bytes(b"imageport lab: not a signature")
            (place / f"{package.name}.inf").write_text(_inf(package), newline="")
    return folder


def _inf(package: _Package) -> str:
    """An INF as setup would read it, with the ids of Red Hat's subsystem and the plain ones."""
    install = f"{package.name}_Inst"
    devices = [f"PCI\\VEN_1AF4&DEV_{device}" for device in package.devices]
    red_hat = [f"{device}&SUBSYS_00081AF4&REV_00" for device in devices]
    start = 0 if package.class_name == "SCSIAdapter" else 3
    lines = (
        "[Version]",
        'Signature="$Windows NT$"',
        f"Class={package.class_name}",
        f"ClassGuid={package.class_guid}",
        "Provider=%Vendor%",
        "DriverVer=01/01/2024,100.94.104.24000",
        f"CatalogFile={package.name}.cat",
        "",
        "[Manufacturer]",
        "%Vendor%=Devices,NTamd64",
        "",
        "[Devices.NTamd64]",
        *(f"%Title% = {install}, {device}" for device in (*red_hat, *devices)),
        "",
        "[DestinationDirs]",
        "DefaultDestDir = 12",
        "",
        f"[{install}.NT]",
        f"CopyFiles = {package.name}.Copy",
        "",
        f"[{package.name}.Copy]",
        f"{package.name}.sys",
        "",
        f"[{install}.NT.Services]",
        f"AddService = {package.name}, 0x00000002, {package.name}.Service",
        "",
        f"[{package.name}.Service]",
        "ServiceType = 1",
        f"StartType = {start}",
        "ErrorControl = 1",
        f"LoadOrderGroup = {package.group}",
        f"ServiceBinary = %12%\\{package.name}.sys",
        "",
        "[Strings]",
        'Vendor = "imageport lab"',
        f'Title = "Phony VirtIO {package.name}"',
        "",
    )
    return "\r\n".join(lines)
