"""Preparing masters in the engine beside virt-v2v-in-place: `python -m bench.prepare FOLDER`.

Both change the same disk, offline, for virtio-scsi: ours in an engine that runs, virt-v2v in
libguestfs' appliance, which it starts itself; so the engine's start is a contestant, too. Both
emulate, or neither does. virt-v2v gets the engine's kernel, since this computer may have none of
its own, and for rhsrvany.exe, which it would make a service of, a program of the lab's. Needs root.
Of ours, processor time is the client's alone: the engine's machine outlives it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.measure import Readied, compare, heading
from imageport.engine.image import recipe
from imageport.engine.image.build import engine_image
from imageport.host.home import subfolder
from imageport.host.run import run
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.folder import JobFolder
from imageport.jobs.report import Silent
from imageport.jobs.source import check_source
from imageport.jobs.wish import wish
from imageport.jobs.work_disk import make_work_disk, work_disk
from imageport.model.job import MigrateRequest
from imageport.model.target import DiskFormat, Firmware, Target
from imageport.platforms.base import DiskRef
from imageport.platforms.local.accel import Accelerator, accelerator
from imageport.platforms.local.hardware import hardware_for
from imageport.platforms.local.platform import LocalPlatform
from lab.guests import LinuxMaster, WindowsMaster, driver_library, master
from lab.guests.windows_files import portable_executable

_TARGET = Target.AHV
"""Its disk is on virtio-scsi: what virt-v2v prepares an image for."""
_MODULES = Path("/lib/modules")


class Engine:
    """An engine of ours, with a new layer over `source` each time that it is made."""

    def __init__(self, folder: JobFolder, source: Path, drivers: Path) -> None:
        self._source = DiskRef(source, DiskFormat.QCOW2)
        self._request = MigrateRequest(str(source), _TARGET, "", drivers=str(drivers))
        self._platform = LocalPlatform(_TARGET, folder.machine, engine_image(print))
        self._firmware = check_source(self._request).firmware
        disk = work_disk(folder)
        self._work = EngineWork(self._platform, folder, disk, self._firmware, Silent())

    def remove(self) -> None:
        """Its machine, and what that wrote, are gone."""
        self._platform.release(self._work.folder.id)

    def renew(self) -> None:
        """The image is as it was, and there is no engine."""
        self.remove()
        make_work_disk(self._work.folder, self._source)

    def start(self) -> None:
        self._work.start()
        self._work.send_libraries(self._request)

    def prepare(self) -> None:
        controller = hardware_for(_TARGET, self._firmware).controller
        isolated = self._platform.isolated
        wanted = wish(self._request, isolated=isolated, controller=controller)
        self._work.run("prepare", wanted)

    @property
    def started(self) -> Readied:
        """Prepare alone: the engine runs already."""

        def ready() -> None:
            self.renew()
            self.start()

        return Readied(ready, self.prepare)

    @property
    def from_nothing(self) -> Readied:
        """The engine's start, and prepare."""

        def work() -> None:
            self.start()
            self.prepare()

        return Readied(self.renew, work)


def virt_v2v(source: Path, layer: Path, environment: Mapping[str, str]) -> Readied:
    """virt-v2v-in-place on a new layer over `source`."""

    def ready() -> None:
        layer.unlink(missing_ok=True)
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", source, "-F", "qcow2", layer])

    def work() -> None:
        argv = ["virt-v2v-in-place", "--quiet", "-i", "disk", str(layer)]
        subprocess.run(argv, check=True, env={**os.environ, **environment})

    return Readied(ready, work)


def v2v_environment(folder: Path, drivers: Path) -> dict[str, str]:
    """What virt-v2v and libguestfs are told: guestfs(3) and supermin(1), their ENVIRONMENT."""
    image = engine_image(print)
    base = subfolder("cache", "engine") / f"base-{recipe.base_key()}.tar"
    tree, tools, scratch = folder / "kernel", folder / "tools", folder / "tmp"
    for path in (tree, tools, scratch):
        path.mkdir()
    run(["tar", "-C", tree, "-xf", base, "./usr/lib/modules"])
    (modules,) = (tree / "usr/lib/modules").iterdir()
    run(["depmod", "-b", tree / "usr", modules.name])
    (tools / "rhsrvany.exe").write_bytes(portable_executable())
    emulated = accelerator(image.kernel, image.initrd) is not Accelerator.KVM
    return {
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg" if emulated else "",
        "LIBGUESTFS_CACHEDIR": str(folder),
        "TMPDIR": str(scratch),
        "SUPERMIN_KERNEL": str(image.kernel),
        "SUPERMIN_KERNEL_VERSION": modules.name,
        "SUPERMIN_MODULES": str(modules),
        "VIRT_TOOLS_DATA_DIR": str(tools),
        "VIRTIO_WIN": str(drivers),
    }


@contextlib.contextmanager
def modules_folder() -> Iterator[None]:
    """supermin looks for this computer's modules even when it is told of others."""
    if _MODULES.exists():
        yield
        return
    _MODULES.mkdir()
    try:
        yield
    finally:
        _MODULES.rmdir()


@contextlib.contextmanager
def job() -> Iterator[JobFolder]:
    """Machines are found by the folder that they work in: a job's."""
    name = f"bench-{os.getpid()}"
    folder = JobFolder(name, subfolder("jobs", name))
    try:
        yield folder
    finally:
        folder.remove()


def main(folder: Path) -> None:
    drivers = driver_library(folder / "drivers")
    environment = v2v_environment(folder, drivers)
    heading("Preparing offline, for virtio-scsi")
    guests: dict[str, tuple[WindowsMaster | LinuxMaster, list[float]]] = {
        "phony Windows": (WindowsMaster(Firmware.UEFI), [10.0, 0.0]),
        "Debian 12": (LinuxMaster(Firmware.BIOS), [0.0, 0.0]),
    }
    with job() as ours, modules_folder():
        for name, (spec, goals) in guests.items():
            source = master(spec)
            engine = Engine(ours, source, drivers)
            others = {
                "virt-v2v-in-place": virt_v2v(source, folder / "layer.qcow2", environment),
                "own, engine's start included": engine.from_nothing,
            }
            try:
                compare(name, others, engine.started, goals, None)
            finally:
                engine.remove()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
