"""`python -m lab.guests build windows-uefi --output FILE`: guests on the command line."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Final

from imageport.disk.qemu import QEMU_FORMATS
from imageport.model.errors import ImageportError
from imageport.model.target import Controller, DiskFormat, Firmware
from lab.guests import (
    Flavour,
    LinuxMaster,
    MbrLayout,
    Product,
    Root,
    State,
    Tools,
    Vda,
    WindowsMaster,
    driver_library,
)
from lab.guests.masters import export, master
from lab.guests.tryout import Machine, boot

_NAMES: Final[dict[str, WindowsMaster | LinuxMaster]] = {
    "windows-bios": WindowsMaster(Firmware.BIOS),
    "windows-uefi": WindowsMaster(Firmware.UEFI),
    "linux-bios": LinuxMaster(Firmware.BIOS),
    "linux-uefi": LinuxMaster(Firmware.UEFI),
    "linux-lvm": LinuxMaster(root=Root.LVM, flavour=Flavour.STORAGE),
    "linux-btrfs": LinuxMaster(root=Root.BTRFS, flavour=Flavour.STORAGE),
    "linux-xfs": LinuxMaster(root=Root.XFS, flavour=Flavour.STORAGE),
    "linux-dracut": LinuxMaster(root=Root.LVM_XFS, flavour=Flavour.DRACUT),
    "linux-netplan": LinuxMaster(Firmware.UEFI, flavour=Flavour.NETPLAN),
}

_ASKED: Final = ("product", "tools", "state", "vda", "joined", "hang", "layout", "uefi_loaders")


def main() -> int:
    """Run one command; 0 when it did what it was told."""
    arguments = _parser().parse_args()
    try:
        done: int = arguments.run(arguments)
    except ImageportError as error:
        print(f"{error.message}\n{error.advice}", file=sys.stderr)
        return 1
    return done


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.guests", description=__doc__)
    commands = parser.add_subparsers(required=True)
    build = commands.add_parser("build", help="write a master image")
    build.add_argument("name", choices=_NAMES)
    build.add_argument("--output", type=Path, help="copy it there; else its cached path is printed")
    build.add_argument("--format", type=DiskFormat, choices=list(QEMU_FORMATS), default="qcow2")
    build.add_argument("--product", type=Product, choices=list(Product))
    build.add_argument("--tools", type=Tools, choices=list(Tools))
    build.add_argument("--state", type=State, choices=list(State))
    build.add_argument("--vda", type=Vda, choices=list(Vda))
    build.add_argument("--joined", action="store_true", default=None, help="a domain's member")
    build.add_argument("--hang", action="store_true", default=None, help="a boot that never ends")
    build.add_argument("--layout", type=MbrLayout, choices=list(MbrLayout), help="of a BIOS' disk")
    loaders = "loaders for UEFI in a BIOS' Windows"
    build.add_argument("--uefi-loaders", action="store_true", default=None, help=loaders)
    build.set_defaults(run=_build)
    drivers = commands.add_parser("drivers", help="write a driver library for phony Windows")
    drivers.add_argument("folder", type=Path)
    drivers.set_defaults(run=_drivers)
    tryout = commands.add_parser("boot", help="boot an image in QEMU and look at it")
    tryout.add_argument("image", type=Path)
    tryout.add_argument("--firmware", type=Firmware, choices=list(Firmware), required=True)
    tryout.add_argument("--controller", type=Controller, choices=list(Controller), required=True)
    tryout.add_argument("--until", default="NT-BOOT-OK|STOP|login: |ALERT", help="serial pattern")
    tryout.add_argument("--seconds", type=float, default=120)
    tryout.add_argument("--picture", type=Path, help="PNG of the screen at the end")
    tryout.add_argument("--keep", action="store_true", help="keep what the guest writes")
    tryout.set_defaults(run=_boot)
    return parser


def _build(arguments: argparse.Namespace) -> int:
    asked = {name: getattr(arguments, name) for name in _ASKED}
    spec = dataclasses.replace(
        _NAMES[arguments.name], **{name: value for name, value in asked.items() if value}
    )
    image = master(spec)
    if arguments.output:
        export(image, arguments.output, arguments.format)
    print(arguments.output or image)
    return 0


def _drivers(arguments: argparse.Namespace) -> int:
    print(driver_library(arguments.folder))
    return 0


def _boot(arguments: argparse.Namespace) -> int:
    machine = Machine(arguments.firmware, arguments.controller, keep=arguments.keep)
    seen = boot(arguments.image, machine, arguments.until, arguments.seconds, arguments.picture)
    print(seen.serial.replace("\r", ""))
    print(f"{'seen' if seen.found else 'NOT seen'} after {seen.seconds:.1f} s")
    return 0 if seen.found else 1


if __name__ == "__main__":
    sys.exit(main())
