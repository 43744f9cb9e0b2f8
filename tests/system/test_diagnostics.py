"""`imageport diagnostics`, with the real engine: to a share and to a folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imageport.disk.create import create_disk
from imageport.disk.ends.errors import AddressError, DeniedError
from imageport.disk.ends.open import Access, CredentialError
from imageport.jobs.diagnostics import collect_diagnostics, plan_diagnostics
from imageport.jobs.ends import Ends
from imageport.jobs.errors import OutputFolder
from imageport.jobs.report import Silent
from imageport.model.diagnostics import DiagnosticsWants
from imageport.model.job import DiagnosticsRequest
from imageport.model.target import DiskFormat, Firmware
from lab.guests import LinuxMaster, WindowsMaster, export, master
from lab.guests.inside import exported, mounted_ntfs, partitions
from lab.guests.traces import (
    BUG_CHECK,
    HASH,
    SECRET,
    damage_file,
    fail_linux,
    fail_windows,
    system_events,
)
from lab.guests.windows_files import mark_volume_dirty
from tests.contract.ends.samba import PASSWORD, Samba
from tests.golden.host_disk import loop_volumes, run
from tests.system.command import assert_nothing_left, error_of, imageport, sha256

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture
def account(samba: Samba, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("account") / "share.json"
    file.touch(mode=0o600)
    said = {"type": "UsernamePassword", "username": samba.account.username, "password": PASSWORD}
    file.write_text(json.dumps(said))
    return file


def damaged_windows(folder: Path) -> Path:
    """One that was cut off: marked for a check, with a file whose record cannot be read."""
    image = folder / "made.qcow2"
    shutil.copy(master(WindowsMaster(Firmware.UEFI)), image)
    with mounted_ntfs(image, 3, writable=True) as root:
        fail_windows(root)
    volume = folder / "volume"
    with exported(image, volume, partitions(image)[2], writable=True):
        mark_volume_dirty(volume)
        damage_file(volume, "setupapi.dev.log")
    return image


def secrets_in(folder: Path) -> list[str]:
    wanted = [secret.encode(code) for secret in (SECRET, HASH, "PRIVATE KEY", PASSWORD)
              for code in ("utf-8", "utf-16-le")]  # fmt: skip
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(each in path.read_bytes() for each in wanted)]


def names_in(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_damaged_windows_goes_to_a_share(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, samba: Samba, account: Path
) -> None:
    source = tmp_path / "failed.vhdx"
    export(damaged_windows(tmp_path_factory.mktemp("made")), source, DiskFormat.VHDX)
    evidence = tmp_path / "failed.vhdx.failure"
    evidence.mkdir()
    (evidence / "boot-serial.txt").write_text("*** STOP: 0x0000007B\n")
    before = sha256(source)
    (samba.data / "support").mkdir()
    address = f"smb://127.0.0.1:{samba.port}/data/support/"
    arguments = ("diagnostics", source, "--output", address, "--credentials", account, "--json")

    planned = imageport(*arguments, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert not list((samba.data / "support").iterdir())
    done = imageport(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr

    said = json.loads(done.stdout)
    assert said["folder"] == json.loads(planned.stdout)["folder"]
    assert sha256(source) == before
    assert_nothing_left(tmp_path, source, evidence.name)
    (folder,) = (samba.data / "support").iterdir()
    assert folder.name == f"failed-diagnostics-{said['job']}"
    assert {each["path"] for each in said["files"]} | {"diagnostics.json"} == names_in(folder)
    assert "windows/dumps/030126-01.dmp" in names_in(folder)
    assert "imageport/earlier-failure/boot-serial.txt" in names_in(folder)
    assert not secrets_in(folder)

    logs = folder / "windows/event-logs"
    assert {path.name for path in logs.glob("*.evtx")} == {
        "Application.evtx",
        "Microsoft-Windows-Broken%4Operational.evtx",
        "System.evtx",
    }
    lines = (logs / "System.txt").read_text().splitlines()
    assert len(lines) == len(system_events())
    times = [datetime.fromisoformat(line.split("\t")[0]) for line in lines]
    assert times == [event.time.astimezone(UTC) for event in system_events()]

    problems = "\n".join(said["problems"])
    assert "The partition 3 is marked for a check." in problems
    assert "setupapi.dev.log cannot be read" in problems
    assert "Microsoft-Windows-Broken%4Operational.evtx is damaged" in problems
    summary = (folder / "summary.txt").read_text()
    for words in (
        "Windows Server 2022 Standard",
        "60 x Service Control Manager 7000",
        f"BugCheck 1001: param1={BUG_CHECK}",
        "the shutdown before was unexpected",
        "Windows/MEMORY.DMP, 6291464 bytes",
        "imageport's first boot: not complete",
        "step 20 remove-vmware-tools ended with 1603",
        "steps/030-trim.cmd",
        "is marked for a check",
    ):
        assert words in summary
    assert "serving the job" in (folder / "engine/serial.txt").read_text()
    assert "collect  succeeded" in (folder / "engine/commands.txt").read_text()
    assert "ntfs3" in (folder / "engine/kernel.txt").read_text()

    again = imageport(*arguments)
    assert error_of(again)["code"] == "job.output-exists"
    assert names_in(folder)


@pytest.mark.slow
def test_a_linux_goes_to_a_folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = tmp_path_factory.mktemp("made")
    source, disk, root = tmp_path / "failed.raw", tmp_path / "failed.raw", made / "root"
    run("qemu-img", "convert", "-O", "raw", master(LinuxMaster(Firmware.BIOS)), disk)
    root.mkdir()
    with loop_volumes(disk) as volumes:
        subprocess.run(["mount", volumes[-1].device, root], check=True)
        try:
            fail_linux(root)
        finally:
            subprocess.run(["umount", root], check=True)
    before = sha256(source)
    done = imageport("diagnostics", source, "--output", made, "--no-engine-logs", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert sha256(source) == before
    assert_nothing_left(tmp_path, source)
    folder = Path(said["folder"])
    assert folder.parent == made
    assert said["problems"] == []
    assert not secrets_in(folder)
    tops = {name.split("/")[0] for name in names_in(folder)}
    assert tops == {"diagnostics.json", "imageport", "linux", "summary.txt"}
    assert "first-boot: started" in (folder / "linux/journal.txt").read_text()
    summary = (folder / "summary.txt").read_text()
    assert "Debian GNU/Linux 12" in summary
    assert "EXT4-fs error (device sda3): bad extent" in summary
    assert "step 10 network ended with 1" in summary


@pytest.mark.slow
def test_a_disk_with_nothing_inside(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source, output = tmp_path / "empty.qcow2", tmp_path_factory.mktemp("output")
    create_disk(source, DiskFormat.QCOW2, 64 << 20).finish()
    done = imageport("diagnostics", source, "--output", output, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["systems"] == []
    assert said["problems"] == ["No operating system was found on the disk."]
    folder = Path(said["folder"])
    assert "No operating system" in (folder / "summary.txt").read_text()
    assert "engine/kernel.txt" in names_in(folder)


def test_what_is_refused_before_anything_starts(tmp_path: Path, samba: Samba) -> None:
    source = tmp_path / "master.qcow2"
    create_disk(source, DiskFormat.QCOW2, 64 << 20).finish()
    share = f"smb://127.0.0.1:{samba.port}"
    known = Access(samba.account)
    for output, access, error in (
        (str(tmp_path / "none"), Access(), OutputFolder),
        (f"{share}/data/none", known, OutputFolder),
        (f"{share}/readonly", known, DeniedError),
        (f"{share}/data", Access(), CredentialError),
        ("ftp://host/folder", known, AddressError),
    ):
        request = DiagnosticsRequest(str(source), output, DiagnosticsWants())
        with pytest.raises(error):
            collect_diagnostics(request, Ends(output=access), Silent())
        with pytest.raises(error):
            plan_diagnostics(request, Ends(output=access))
    assert_nothing_left(tmp_path, source)
    assert not [name for name in samba.names() if "diagnostics" in name]
