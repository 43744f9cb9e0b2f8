"""A QEMU process as a machine that outlives us: found again by its name after a crash.

Nothing about a running machine is kept in our own files: its process carries its name (which says
the job it belongs to), its QMP socket answers everything else. So there is no state to lose.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imageport.disk.qemu import QEMU_FORMATS
from imageport.host.errors import ToolMissing
from imageport.host.home import jobs_folder
from imageport.host.run import tool_environment
from imageport.model.target import Firmware
from imageport.platforms.base import DiskRef, Role
from imageport.platforms.errors import MachineDied
from imageport.platforms.local.accel import QEMU, Accelerator
from imageport.platforms.local.hardware import Hardware, disk_devices
from imageport.platforms.local.qmp import Qmp, QmpError

AGENT_PORT = 443

_OVMF = Path("/usr/share/OVMF")
_NAME = re.compile(r"guest=imageport/([A-Za-z0-9-]+)/([a-z]+)")
_FORWARDED = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)")
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
"""What QEMU calls the formats."""


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What a machine is made of; disks in boot order.

    `memory` in MiB. `boot_data` is a file for the agent, given by firmware configuration.
    `forward` opens one HTTPS port of the machine to this computer; nothing else gets in or out.
    `forget_writes` throws away what the machine writes. `stop_on_reboot` ends it instead.
    """

    hardware: Hardware
    firmware: Firmware
    disks: tuple[DiskRef, ...]
    memory: int = 1024
    boot_data: Path | None = None
    forward: bool = False
    forget_writes: bool = False
    stop_on_reboot: bool = False


class Machine:
    """A machine and the folder of its log, socket and firmware variables."""

    def __init__(self, job: str, role: Role, folder: Path) -> None:
        self.job = job
        self.role = role
        self.folder = folder

    @property
    def name(self) -> str:
        """As its process carries it."""
        return f"imageport/{self.job}/{self.role}"

    @property
    def serial_log(self) -> Path:
        """What it wrote to its serial port."""
        return self.folder / f"{self.role}-serial.log"

    @property
    def _socket(self) -> Path:
        return self.folder / f"{self.role}.qmp"

    @property
    def _output(self) -> Path:
        return self.folder / f"{self.role}-qemu.log"

    def pid(self) -> int | None:
        """Its process, if it runs."""
        return next(
            (pid for pid, job, role in running() if (job, role) == (self.job, self.role)), None
        )

    def start(self, spec: MachineSpec, accelerator: Accelerator) -> None:
        """Start it, unless it runs. Raises MachineDied or ToolMissing."""
        if self.pid() is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        with self._output.open("wb") as output:
            try:
                process = subprocess.Popen(
                    self._argv(spec, accelerator),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=tool_environment({}),
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise ToolMissing(tool=QEMU) from error
        self._wait_for_socket(process)

    def _wait_for_socket(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with self.qmp():
                    return
            except (OSError, QmpError):
                time.sleep(0.02)
        raise self._died()

    def _died(self) -> MachineDied:
        output = self._output.read_text(errors="replace").strip() if self._output.exists() else ""
        return MachineDied(machine=self.name, output=output[-500:] or "it said nothing")

    def qmp(self) -> Qmp:
        """A connection to its monitor. Raises OSError or QmpError when it does not run."""
        return Qmp(self._socket)

    def stop(self) -> None:
        """End it, if it runs; what its disks hold is written out first."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if not _is_alive(pid):
                return
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        while _is_alive(pid):
            time.sleep(0.02)

    def forwarded_port(self) -> int:
        """The port of this computer that leads to the machine's HTTPS. Raises MachineDied."""
        try:
            with self.qmp() as qmp:
                said = qmp("human-monitor-command", **{"command-line": "info usernet"})
        except (OSError, QmpError) as error:
            raise self._died() from error
        match = _FORWARDED.search(said)
        if not match:
            raise self._died()
        return int(match[1])

    def picture(self) -> bytes | None:
        """Its screen as PNG, or None when it does not run."""
        shot = self.folder / f"{self.role}-screen.png"
        try:
            with self.qmp() as qmp:
                qmp("screendump", filename=str(shot), format="png")
            return shot.read_bytes()
        except (OSError, QmpError):
            return None
        finally:
            shot.unlink(missing_ok=True)

    def text(self) -> str:
        """What it wrote to its serial port so far."""
        if not self.serial_log.exists():
            return ""
        return self.serial_log.read_text(errors="replace")

    def _argv(self, spec: MachineSpec, accelerator: Accelerator) -> list[str]:
        hardware = spec.hardware
        return [
            QEMU,
            *("-name", f"guest={self.name},process=imageport-{self.role}"),
            *("-machine", str(hardware.chipset), "-accel", accelerator.argument),
            *("-cpu", "host" if accelerator is Accelerator.KVM else "max"),
            *("-smp", "2", "-m", str(spec.memory), "-nodefaults", "-no-user-config"),
            *("-display", "none", "-device", "VGA"),
            *("-chardev", f"file,id=serial,path={self.serial_log.name},append=on"),
            *("-serial", "chardev:serial"),
            *("-qmp", f"unix:{self._socket.name},server=on,wait=off"),
            *self._firmware(spec),
            *_disks(spec),
            *_network(spec),
            *(["-no-reboot"] if spec.stop_on_reboot else []),
            *(
                ["-fw_cfg", f"name=opt/org.imageport/boot-data,file={spec.boot_data}"]
                if spec.boot_data
                else []
            ),
        ]

    def _firmware(self, spec: MachineSpec) -> list[str]:
        if spec.firmware is Firmware.BIOS:
            return []
        variables = self.folder / f"{self.role}-vars.fd"
        shutil.copy(_OVMF / "OVMF_VARS_4M.fd", variables)
        code = _OVMF / "OVMF_CODE_4M.fd"
        return [
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}"),
            *("-drive", f"if=pflash,unit=1,format=raw,file={variables.name}"),
        ]


def running() -> Iterator[tuple[int, str, Role]]:
    """Every machine of our jobs: process id, job, role.

    A machine works in its job's folder, which tells it from those of another `IMAGEPORT_HOME`.
    """
    ours = f"{jobs_folder()}/"
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if not str((entry / "cwd").readlink()).startswith(ours):
                    continue
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            match = next(filter(None, (_NAME.match(argument) for argument in arguments)), None)
            if match and _is_alive(int(entry.name)):
                yield int(entry.name), match[1], Role(match[2])


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # ours to reap, when we started it in this process
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def _disks(spec: MachineSpec) -> Sequence[str]:
    arguments: list[str] = []
    for n, disk in enumerate(spec.disks):
        # A comma in a path is doubled, as QEMU's option parser wants it.
        path = str(disk.path).replace(",", ",,")
        throwaway = ",snapshot=on" if spec.forget_writes else ""
        arguments += [
            "-drive",
            f"if=none,id=disk{n},format={QEMU_FORMATS[disk.format]},file={path},"
            f"discard=unmap,detect-zeroes=unmap{throwaway}",
        ]
    return [
        *arguments,
        *disk_devices(spec.hardware.controller, spec.hardware.chipset, len(spec.disks)),
    ]


def _network(spec: MachineSpec) -> Sequence[str]:
    # restrict=on: the machine sees an address and nobody else; one port leads in.
    forward = f",hostfwd=tcp:127.0.0.1:0-:{AGENT_PORT}" if spec.forward else ""
    return [
        *("-netdev", f"user,id=net,restrict=on{forward}"),
        *("-device", f"{spec.hardware.nic},netdev=net"),
    ]
