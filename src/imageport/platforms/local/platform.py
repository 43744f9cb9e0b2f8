"""The local platform (SPEC C7): the verbs, on QEMU machines of this computer."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from imageport.host.run import run
from imageport.model.target import DiskFormat, Firmware, Target
from imageport.platforms.base import Console, DiskRef, EngineVm, Handover, Leftover, Role
from imageport.platforms.errors import MachineDied
from imageport.platforms.local.accel import accelerator
from imageport.platforms.local.hardware import hardware_for
from imageport.platforms.local.machine import Machine, MachineSpec, running
from imageport.platforms.local.qmp import QmpError


class EngineFiles(Protocol):
    """The engine image as the platform needs it: a qcow2 disk, its kernel and initramfs."""

    @property
    def disk(self) -> Path:
        """The disk that every engine's machine starts from."""

    @property
    def kernel(self) -> Path:
        """The kernel on it."""

    @property
    def initrd(self) -> Path:
        """The initramfs on it."""


class LocalPlatform:
    """Machines for one target's hardware, with `folder` for their logs and sockets.

    They are isolated: QEMU's network of theirs has no way out.
    """

    isolated = True

    def __init__(self, target: Target, folder: Path, engine: EngineFiles) -> None:
        self._target = target
        self._folder = folder
        self._engine = engine
        self._accelerator = accelerator(engine.kernel, engine.initrd)

    def handover(self, firmware: Firmware) -> Handover:
        """See `base.Platform`."""
        return hardware_for(self._target, firmware).handover

    def create_engine(
        self, job: str, image: DiskRef, firmware: Firmware, boot_data: str
    ) -> EngineVm:
        """See `base.Platform`."""
        found = self.find_engine(job)
        if found:
            return found
        self.stop(job, Role.IMAGE)
        machine = self._machine(job, Role.ENGINE)
        machine.start(self._engine_spec(image, firmware, boot_data), self._accelerator)
        return EngineVm(job, f"127.0.0.1:{machine.forwarded_port()}")

    def _engine_spec(self, image: DiskRef, firmware: Firmware, boot_data: str) -> MachineSpec:
        self._folder.mkdir(parents=True, exist_ok=True)
        secret = self._folder / "boot-data.json"
        secret.touch(mode=0o600)
        secret.write_text(boot_data)
        disk = self._folder / "engine.qcow2"
        if not disk.exists():
            partial = disk.with_suffix(".part")
            run(
                [
                    *("qemu-img", "create", "-q", "-f", "qcow2"),
                    *("-b", self._engine.disk, "-F", "qcow2", partial),
                ]
            )
            partial.rename(disk)
        return MachineSpec(
            hardware_for(self._target, firmware),
            firmware,
            (DiskRef(disk, DiskFormat.QCOW2), image),
            boot_data=secret,
            forward=True,
        )

    def find_engine(self, job: str) -> EngineVm | None:
        """See `base.Platform`."""
        machine = self._machine(job, Role.ENGINE)
        if machine.pid() is None:
            return None
        return EngineVm(job, f"127.0.0.1:{machine.forwarded_port()}")

    def reset_engine(self, job: str) -> None:
        """See `base.Platform`."""
        machine = self._machine(job, Role.ENGINE)
        try:
            with machine.qmp() as qmp:
                qmp("system_reset")
        except (OSError, QmpError) as error:
            raise MachineDied(machine=machine.name, output=str(error)) from error

    def console(self, job: str, role: Role) -> Console:
        """See `base.Platform`."""
        machine = self._machine(job, role)
        return Console(machine.text(), machine.picture())

    def start(self, job: str, role: Role, disk: DiskRef, firmware: Firmware) -> None:
        """See `base.Platform`."""
        if role is Role.IMAGE:
            self.stop(job, Role.ENGINE)
        spec = MachineSpec(
            hardware_for(self._target, firmware),
            firmware,
            (disk,),
            forget_writes=role is Role.UNTOUCHED,
            stop_on_reboot=True,
        )
        self._machine(job, role).start(spec, self._accelerator)

    def ended(self, job: str, role: Role) -> bool:
        """See `base.Platform`."""
        return self._machine(job, role).pid() is None

    def stop(self, job: str, role: Role) -> None:
        """See `base.Platform`."""
        self._machine(job, role).stop()

    def release(self, job: str) -> None:
        """See `base.Platform`."""
        release(job)
        shutil.rmtree(self._folder, ignore_errors=True)

    def leftovers(self, living: Sequence[str]) -> list[Leftover]:
        """See `base.Platform`."""
        return leftovers(living)

    def _machine(self, job: str, role: Role) -> Machine:
        return Machine(job, role, self._folder)


def release(job: str) -> None:
    """End every machine of a job, without its folder."""
    for _, owner, role in list(running()):
        if owner == job:
            Machine(job, role, Path()).stop()


def leftovers(living: Sequence[str]) -> list[Leftover]:
    """Machines of jobs other than those in `living`."""
    return [
        Leftover(job, "machine", f"{role} (process {pid})")
        for pid, job, role in running()
        if job not in living
    ]
