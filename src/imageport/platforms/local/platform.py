"""The local platform (SPEC C7): the verbs, on QEMU machines of this computer."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from imageport.host.run import run
from imageport.model.target import DiskFormat, Firmware, Target
from imageport.platforms.base import Console, DiskRef, EngineVm, Leftover
from imageport.platforms.errors import MachineDied
from imageport.platforms.local.accel import Accelerator
from imageport.platforms.local.hardware import hardware_for
from imageport.platforms.local.machine import Machine, MachineSpec, running
from imageport.platforms.local.qmp import QmpError


class LocalPlatform:
    """Machines for one target's hardware, in `folder`; the engine starts from `engine_disk`."""

    def __init__(
        self, target: Target, folder: Path, engine_disk: Path, accelerator: Accelerator
    ) -> None:
        self._target = target
        self._folder = folder
        self._engine_disk = engine_disk
        self._accelerator = accelerator

    def create_engine(
        self, job: str, image: DiskRef, firmware: Firmware, boot_data: str
    ) -> EngineVm:
        """See `base.Platform`."""
        machine = self._machine(job, "engine")
        if machine.pid() is None:
            self._machine(job, "image").stop()
            self._folder.mkdir(parents=True, exist_ok=True)
            machine.start(self._engine_spec(job, image, firmware, boot_data), self._accelerator)
        hardware = hardware_for(self._target, firmware)
        return EngineVm(job, f"127.0.0.1:{machine.forwarded_port()}", hardware.handover)

    def _engine_spec(
        self, job: str, image: DiskRef, firmware: Firmware, boot_data: str
    ) -> MachineSpec:
        secret = self._folder / "boot-data.json"
        secret.touch(mode=0o600)
        secret.write_text(boot_data)
        disk = self._folder / "engine.qcow2"
        if not disk.exists():
            partial = disk.with_suffix(".part")
            run(
                [
                    *("qemu-img", "create", "-q", "-f", "qcow2"),
                    *("-b", self._engine_disk, "-F", "qcow2", partial),
                ]
            )
            partial.rename(disk)
        return MachineSpec(
            job,
            "engine",
            hardware_for(self._target, firmware),
            firmware,
            (DiskRef(disk, DiskFormat.QCOW2), image),
            boot_data=secret,
            forward=True,
        )

    def engine_alive(self, vm: EngineVm) -> bool:
        """See `base.Platform`."""
        return self._machine(vm.job, "engine").pid() is not None

    def reset_engine(self, vm: EngineVm) -> None:
        """See `base.Platform`. Raises MachineDied when it is gone."""
        machine = self._machine(vm.job, "engine")
        try:
            with machine.qmp() as qmp:
                qmp("system_reset")
        except (OSError, QmpError) as error:
            raise MachineDied(machine=machine.name, output=str(error)) from error

    def console(self, job: str) -> Console:
        """See `base.Platform`."""
        role = next((role for _, owner, role in running() if owner == job), "engine")
        machine = self._machine(job, role)
        return Console(machine.text(), machine.picture())

    def start_image(self, job: str, image: DiskRef, firmware: Firmware) -> None:
        """See `base.Platform`."""
        self._machine(job, "engine").stop()
        spec = MachineSpec(
            job,
            "image",
            hardware_for(self._target, firmware),
            firmware,
            (image,),
            stop_on_reboot=True,
        )
        self._machine(job, "image").start(spec, self._accelerator)

    def start_untouched(self, job: str, source: DiskRef, firmware: Firmware) -> None:
        """Start the source as it is on the target's hardware; what it writes is thrown away."""
        spec = MachineSpec(
            job,
            "untouched",
            hardware_for(self._target, firmware),
            firmware,
            (source,),
            forget_writes=True,
            stop_on_reboot=True,
        )
        self._machine(job, "untouched").start(spec, self._accelerator)

    def image_ended(self, job: str) -> bool:
        """See `base.Platform`; true of the untouched source's machine as well."""
        roles = {role for _, owner, role in running() if owner == job}
        return not roles & {"image", "untouched"}

    def release(self, job: str) -> None:
        """See `base.Platform`."""
        for _, owner, role in list(running()):
            if owner == job:
                self._machine(job, role).stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def leftovers(self, living: Sequence[str]) -> list[Leftover]:
        """See `base.Platform`."""
        return [
            Leftover(job, "machine", f"{role} (process {pid})")
            for pid, job, role in running()
            if job not in living
        ]

    def _machine(self, job: str, role: str) -> Machine:
        return Machine(job, role, self._folder)

