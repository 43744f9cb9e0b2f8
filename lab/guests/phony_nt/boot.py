"""Boot a phony Windows: from the kernel command line to the logon screen, or a STOP error."""

from __future__ import annotations

import os
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from imageport.guest.windows.hive import Hive, HiveDirtyError
from imageport.model.errors import ImageportError

from . import boot_manager, first_boot, machine
from .drivers import IDE_CHANNEL, DriverLookup, Match, resolve
from .screen import BLACK, BLUE, TEAL, paint, say

_VOLUME: Final = Path("/c")
_DISK_WAIT: Final = 10.0
"""Seconds for the boot disk to appear; with a driver it takes well under one."""
_RESTART_DELAY: Final = 8.0
"""Seconds that a STOP screen stays when the machine restarts by itself."""
_SHUTDOWN_SECONDS: Final = 3.0
"""How long the screen stays before an orderly restart; Windows takes longer to shut down."""
_HANG_MARK: Final = b"imageport-lab: hang"
_NO_BOOT_DEVICE: Final = "INACCESSIBLE_BOOT_DEVICE"
_NOTICE: Final = "imageport phony Windows: a test guest, not Microsoft software"


class StopError(Exception):
    """A STOP error: its number, its symbolic name, what exactly was wrong."""

    def __init__(self, number: int, name: str, detail: str) -> None:
        super().__init__(f"0x{number:08X} ({name}): {detail}")
        self.number, self.name, self.detail = number, name, detail


@dataclass
class Boot:
    """What one boot has found out so far."""

    disk: str = ""
    volume: machine.Volume | None = None
    control_set: str = "ControlSet001"
    driver: str = ""
    auto_restart: bool = True
    names: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """All of the boot up to the logon screen."""
        paint(["phony Windows", "", "Starting ...", "", _NOTICE], BLACK)
        say(_NOTICE)
        machine.load_drivers()
        self._mount_system_volume()
        self._read_boot_settings()
        self._bind_drivers()
        self._start_session()
        self._log_on()

    def _mount_system_volume(self) -> None:
        identity = _kernel_argument("phony.disk")
        self.disk = machine.find_disk(identity, _DISK_WAIT) or ""
        if not self.disk:
            # The picture of the boot device: nothing at all is there to read a setting from.
            raise StopError(0x7B, _NO_BOOT_DEVICE, f"no disk {identity} is visible")
        volumes = machine.volumes(self.disk)
        entry = self._boot_entry(volumes)
        program = entry.program
        if entry.partition is not None:
            volumes = [volume for volume in volumes if volume.name == entry.partition]
            if not volumes:
                detail = f"the device of {entry.identity} is no partition of {self.disk}"
                raise StopError(0xC000000E, "BOOT_MANAGER", detail)
        for volume in reversed([v for v in volumes if v.kind in ("ntfs", "bitlocker")]):
            if volume.kind == "bitlocker":
                raise StopError(0x7B, _NO_BOOT_DEVICE, "the system volume is encrypted")
            self._mount(volume)
            if resolve(_VOLUME, r"Windows\System32\config\SYSTEM"):
                self.volume = volume
                say(f"system volume: {volume.device}, partition {volume.number} of {self.disk}")
                if resolve(_VOLUME, program) is None:
                    raise StopError(0xC000000F, "BOOT_MANAGER", f"{program} is missing")
                return
            machine.busybox("umount", str(_VOLUME))
        raise StopError(0x7B, _NO_BOOT_DEVICE, "no volume holds \\Windows")

    def _boot_entry(self, volumes: list[machine.Volume]) -> boot_manager.Entry:
        try:
            entry = boot_manager.default_entry(volumes)
        except boot_manager.BootStoreError as error:
            raise StopError(0xC000000F, "BOOT_MANAGER", str(error)) from error
        say(f"boot manager: starts {entry.program} of {entry.identity}")
        return entry

    def _mount(self, volume: machine.Volume) -> None:
        """Read-only: a boot that stops has changed nothing."""
        _VOLUME.mkdir(exist_ok=True)
        if machine.busybox("mount", "-r", "-t", "ntfs3", volume.device, str(_VOLUME)).returncode:
            raise StopError(0xED, "UNMOUNTABLE_BOOT_VOLUME", f"{volume.device} cannot be mounted")

    def _make_writable(self) -> None:
        assert self.volume  # noqa: S101 - a boot without a volume has stopped long before
        device = self.volume.device
        machine.busybox("umount", str(_VOLUME))
        if machine.busybox("mount", "-t", "ntfs3", device, str(_VOLUME)).returncode:
            say(f"autochk: {device} is dirty, checking")
            forced = machine.busybox("mount", "-t", "ntfs3", "-o", "force", device, str(_VOLUME))
            if forced.returncode:
                raise StopError(0xED, "UNMOUNTABLE_BOOT_VOLUME", f"{device} cannot be written")

    def _read_boot_settings(self) -> None:
        with _hive("SYSTEM") as system:
            select = system.key("Select")
            number = select.number("Current") if select else None
            if number is None:
                raise StopError(0x67, "CONFIG_INITIALIZATION_FAILED", "Select\\Current is missing")
            self.control_set = f"ControlSet{number:03d}"
            crash = system.key(f"{self.control_set}\\Control\\CrashControl")
            self.auto_restart = (crash.number("AutoReboot") if crash else 1) != 0
            name = system.key(f"{self.control_set}\\Control\\ComputerName\\ComputerName")
            self.names["computer"] = (name.text("ComputerName") if name else None) or "?"
        with _hive("SOFTWARE") as software:
            version = software.key(r"Microsoft\Windows NT\CurrentVersion")
            for name_, value in (("product", "ProductName"), ("build", "CurrentBuild")):
                self.names[name_] = (version.text(value) if version else None) or "?"
        say(f"{self.names['product']}, build {self.names['build']}, on {self.names['computer']}")

    def _bind_drivers(self) -> None:
        function = machine.controller(self.disk)
        if function is None:
            raise StopError(0x7B, _NO_BOOT_DEVICE, "its controller is on no known bus")
        windows = resolve(_VOLUME, "Windows") or _VOLUME
        with _hive("SYSTEM") as system:
            lookup = DriverLookup(system, self.control_set, windows)
            bound = [_bound(lookup, [f"PCI\\{each}" for each in function.hardware_ids()])]
            if function.is_ide:
                bound.append(_bound(lookup, [IDE_CHANNEL]))
            obstacles = lookup.obstacles()
            if obstacles:
                raise StopError(0x7B, _NO_BOOT_DEVICE, "; ".join(obstacles))
            self.driver = bound[0].service
            say(f"boot driver bound: {self.driver}")
            _hang_if_told(lookup)

    def _start_session(self) -> None:
        self._make_writable()
        with _hive("SYSTEM") as system:
            services = system.key(f"{self.control_set}\\Services")
            for key in services.subkeys() if services else ():
                if key.number("Start") == 2 and (key.number("Type") or 0) & 0x30:
                    say(f"automatic service: {key.name}")
            terminal = system.key(f"{self.control_set}\\Control\\Terminal Server")
            denied = terminal.number("fDenyTSConnections") if terminal else 1
            say(f"remote desktop: {'off' if denied else 'on'}")
        for name in ("SAM", "SECURITY", "DEFAULT"):
            with _hive(name):
                pass

    def _log_on(self) -> None:
        ready = [
            self.names["computer"],
            f"{self.names['product']}, build {self.names['build']}",
            "",
            f"started from {self.driver} in {_uptime():.0f} s",
        ]
        paint([*ready, "", "Press Ctrl+Alt+Delete to unlock.", "", _NOTICE], TEAL)
        if self._first_boot():
            paint([*ready, "", "First boot work: restarting.", "", _NOTICE], TEAL)
            time.sleep(_SHUTDOWN_SECONDS)
            restart()
        machine.busybox("umount", str(_VOLUME))
        machine.busybox("acpid")
        say("NT-BOOT-OK")
        while True:
            time.sleep(3600)

    def _first_boot(self) -> bool:
        with _hive("SYSTEM") as system:
            service = system.key(f"{self.control_set}\\Services\\{first_boot.SERVICE}")
            if service is None:
                return False
            wrong = first_boot.problems(service, _VOLUME)
            if wrong:
                say(f"service {first_boot.SERVICE} failed to start: {'; '.join(wrong)}")
                return False
            address = self._address(DriverLookup(system, self.control_set, _VOLUME / "Windows"))
        say(f"service {first_boot.SERVICE} started")
        lines = first_boot.perform(_VOLUME, self._facts(address))
        for line in lines:
            say(f"first-boot: {line}")
        if lines[-1:] == ["complete"]:
            first_boot.remove_service(_config("SYSTEM"), self.control_set)
            say("imageport first-boot: complete")
        machine.busybox("sync")
        machine.busybox("umount", str(_VOLUME))
        return True

    def _facts(self, address: str | None) -> dict[str, str]:
        assert self.volume  # noqa: S101 - a boot without a volume has stopped long before
        facts = {
            "boot-driver": self.driver,
            "kernel": f"10.0.{self.names['build']}",
            "root": f"\\Device\\Harddisk0\\Partition{self.volume.number}",
        }
        if address:
            facts["address"] = address
        return {**facts, "uptime": f"{_uptime():.1f}"}

    def _address(self, lookup: DriverLookup) -> str | None:
        """The address that DHCP gives on the first interface for which Windows has a driver."""
        for interface, function in machine.network_functions():
            ids = [f"PCI\\{each}" for each in function.hardware_ids()]
            device = f"VEN_{function.vendor:04X}&DEV_{function.device:04X}"
            service = lookup.network_service(ids)
            if service is None and not first_boot.installs(_VOLUME, device):
                say(f"network: Windows has no driver for {device}")
                continue
            address = _lease(interface)
            say(f"network: {device} by {service or 'the newly installed driver'}: {address}")
            if address:
                return address
        return None


def _bound(lookup: DriverLookup, ids: list[str]) -> Match:
    matches = lookup.best(ids)
    for match in matches:
        say(f"driver: {match}")
    for match in matches:
        if match.problem is None:
            return match
    reason = f"; {matches[0].service}: {matches[0].problem}" if matches else ", not even disabled"
    named = ids[5] if len(ids) > 5 else ids[0]
    detail = f"no boot-start driver for {named}{reason}"
    raise StopError(0x7B, _NO_BOOT_DEVICE, detail)


def _hang_if_told(lookup: DriverLookup) -> None:
    for name, file in lookup.boot_files():
        with file.open("rb") as stream:
            hangs = _HANG_MARK in stream.read(65536)
        if hangs:
            say(f"driver {name} never returns")
            while True:
                time.sleep(3600)


def _lease(interface: str) -> str | None:
    machine.busybox("ip", "link", "set", interface, "up")
    tries = ("-n", "-q", "-f", "-t", "4", "-T", "1", "-s", "/lease.sh")
    machine.busybox("udhcpc", "-i", interface, *tries)
    lease = Path("/tmp/address")  # noqa: S108 - the only process of its machine
    return lease.read_text().strip() if lease.exists() else None


def _config(name: str) -> Path:
    file = resolve(_VOLUME, f"Windows\\System32\\config\\{name}")
    if file is None:
        raise StopError(0xC0000218, "STATUS_CANNOT_LOAD_REGISTRY_FILE", f"{name} is missing")
    return file


def _hive(name: str) -> Hive:
    file = _config(name)
    try:
        return Hive.open(file)
    except HiveDirtyError as dirty:
        log = resolve(file.parent, f"{name}.LOG1")
        if log is None or log.stat().st_size == 0:
            raise StopError(0xC0000218, "STATUS_CANNOT_LOAD_REGISTRY_FILE", str(dirty)) from dirty
        say(f"registry: {name} is recovered from its log")
        return Hive.open(file, accept_dirty=True)
    except ImageportError as damaged:
        detail = damaged.message
        raise StopError(0xC0000218, "STATUS_CANNOT_LOAD_REGISTRY_FILE", detail) from damaged


def _kernel_argument(name: str) -> str:
    words = Path("/proc/cmdline").read_text().split()
    return next((word.partition("=")[2] for word in words if word.startswith(f"{name}=")), "")


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def restart() -> NoReturn:
    """Restart the machine; never return."""
    machine.busybox("sync")
    machine.busybox("reboot", "-f")
    while True:
        time.sleep(3600)


def stop(error: StopError, *, auto_restart: bool) -> NoReturn:
    """Show the STOP error on COM1 and the screen, then restart or stay, as Windows is told to."""
    say(f"*** STOP: {error}")
    what_next = "The machine restarts in a few seconds." if auto_restart else "The machine stays."
    said = _wrapped(error.detail)
    lines = [":(", "", "Your PC ran into a problem it cannot solve.", what_next, ""]
    code = [f"Stop code: {error.name}", f"*** STOP: 0x{error.number:08X}", ""]
    paint([*lines, *code, *said, "", _NOTICE], BLUE)
    if auto_restart:
        time.sleep(_RESTART_DELAY)
        restart()
    while True:
        time.sleep(3600)


def _wrapped(text: str, width: int = 72) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def main() -> NoReturn:
    """Process 1 of the phony Windows."""
    os.environ["PATH"] = "/bin:/usr/bin"
    boot = Boot()
    try:
        boot.run()
    except StopError as error:
        stop(error, auto_restart=boot.auto_restart)
    except OSError as error:
        broken = StopError(0x24, "NTFS_FILE_SYSTEM", f"{error.strerror}: {error.filename}")
        stop(broken, auto_restart=boot.auto_restart)
    except Exception as error:  # noqa: BLE001 - process 1 must end as Windows would, on a STOP screen
        for line in traceback.format_exception(error):
            say(line.rstrip())
        detail = f"{type(error).__name__}: {error}"
        unknown = StopError(0xC000021A, "STATUS_SYSTEM_PROCESS_TERMINATED", detail)
        stop(unknown, auto_restart=boot.auto_restart)
    sys.exit("the boot came to an end")
