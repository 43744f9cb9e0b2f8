"""A Linux that restarts in the middle of its first boot goes on there, and ends in the engine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imageport.engine.image.build import engine_image
from imageport.host.home import subfolder
from imageport.jobs.boot import boot_image
from imageport.jobs.engine_work import EngineWork
from imageport.jobs.folder import JobFolder
from imageport.jobs.report import Silent
from imageport.jobs.wish import wish
from imageport.jobs.work_disk import make_work_disk, work_disk
from imageport.model.job import MigrateRequest
from imageport.model.target import Controller, DiskFormat, Firmware, Target
from imageport.platforms.base import DiskRef, Role
from imageport.platforms.local.platform import LocalPlatform
from lab.guests import LinuxMaster, master
from lab.guests.inside import exported, partitions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    # A machine outlives what started it, on purpose; here that is this process.
    pytest.mark.filterwarnings("ignore:subprocess \\d+ is still running:ResourceWarning"),
]

_RAN = "var/log/lab-ran"
"""In the guest: a line for each thing that ran."""
_RELABEL = f"""\
[Unit]
Description=Labels everything and restarts, as Red Hat's selinux-autorelabel does
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
ConditionPathExists=/.autorelabel
[Service]
Type=oneshot
ExecStart=/bin/sh -c "echo relabel >> /{_RAN}; rm /.autorelabel; sync; systemctl --force reboot; \
sleep 60"
"""
_SYSTEM = "etc/systemd/system"


@contextmanager
def _root(image: Path) -> Iterator[Path]:
    """The root of a Linux master, mounted: its third partition, behind GRUB and swap."""
    place, volume = image.with_name("root"), image.with_name("volume")
    place.mkdir(exist_ok=True)
    extent = partitions(image)[2]
    with exported(image, volume, extent, writable=True):
        subprocess.run(["mount", "-o", "loop", volume, place], check=True)
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)


@pytest.fixture
def work(own_home: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EngineWork]:
    """A job of its own with a master of that firmware, before its engine is started."""
    firmware: Firmware = request.param
    folder = JobFolder("restarts", subfolder("jobs", "restarts"))
    platform = LocalPlatform(Target.AHV, folder.machine, engine_image())
    make_work_disk(folder, DiskRef(master(LinuxMaster(firmware)), DiskFormat.QCOW2))
    try:
        yield EngineWork(platform, folder, work_disk(folder), firmware, Silent())
    finally:
        platform.release(folder.id)


@pytest.mark.parametrize("work", list(Firmware), indirect=True)
def test_a_relabelling_and_a_step_restart_the_machine(work: EngineWork) -> None:
    """Three boots: one for the order that the master had, two for the steps."""
    image = work.image.path
    with _root(image) as root:
        (root / ".autorelabel").touch()
        (root / _SYSTEM / "relabel.service").write_text(_RELABEL)
        wants = root / _SYSTEM / "sysinit.target.wants"
        (wants / "relabel.service").symlink_to("../relabel.service")
    request = MigrateRequest(str(image), Target.AHV, "")
    wishes = wish(request, isolated=True, controller=Controller.VIRTIO_SCSI)
    work.start()
    work.run("prepare", wishes)
    work.platform.stop(work.folder.id, Role.ENGINE)
    with _root(image) as root:
        steps = root / "usr/lib/imageport/first-boot/steps"
        (steps / "01-kernel").write_text(f"echo kernel >> /{_RAN}; exit 249\n")
        (steps / "02-behind").write_text(f"echo behind >> /{_RAN}\n")
    work.start()

    boot_image(work, 900)

    said = work.run("verify", wishes)
    report = said["first_boot"]
    assert report["complete"]
    assert report["restarts"] == 1
    names = [step["name"] for step in report["steps"]]
    assert names[:2] == ["kernel", "behind"]
    assert "machine-id" in names
    assert len(set(names)) == len(names), "each once"
    assert not [step for step in report["steps"] if step["exit_code"]]
    assert report["facts"]["boots"] == "2", "the relabelling came before the runner"
    assert not [check for check in said["checks"] if not check["passed"]]
    work.platform.stop(work.folder.id, Role.ENGINE)
    with _root(image) as root:
        assert (root / _RAN).read_text().split() == ["relabel", "kernel", "behind"]
        assert not (root / "usr/lib/imageport").exists()
