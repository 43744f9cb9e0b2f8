"""Bad input: a clear error with its code, the source untouched, nothing left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from imageport.model.target import DiskFormat, Firmware
from lab.guests import LinuxMaster, State, WindowsMaster, driver_library, export, master
from tests.system.command import (
    assert_home_is_empty,
    assert_nothing_left,
    error_of,
    imageport,
    sha256,
)


def _refused(source: Path, code: str, *options: str | Path) -> None:
    before = sha256(source)
    output = source.parent / "out.raw"
    done = imageport("migrate", source, "--to", "aws", "--output", output, "--json", *options)
    assert error_of(done)["code"] == code
    assert sha256(source) == before
    assert_nothing_left(source.parent, source)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.HIBERNATED, "guest.hibernated"),
        (State.DIRTY_VOLUME, "guest.dirty-ntfs"),
        (State.DIRTY_HIVE, "guest.hive-dirty"),
        (State.BITLOCKER, "guest.bitlocker"),
        (State.PENDING_UPDATES, "job.blocked"),
        (State.DATA_DISK, "job.not-bootable"),
    ],
)
def test_windows_in_a_bad_state(tmp_path: Path, state: State, code: str) -> None:
    source = tmp_path / "master.vhdx"
    export(master(WindowsMaster(Firmware.UEFI, state=state)), source, DiskFormat.VHDX)
    _refused(source, code)


def test_encrypted_linux(tmp_path: Path) -> None:
    source = tmp_path / "master.qcow2"
    export(master(LinuxMaster(Firmware.BIOS, luks=True)), source, DiskFormat.QCOW2)
    _refused(source, "guest.luks")


def test_truncated_image(tmp_path: Path) -> None:
    source = tmp_path / "master.vhdx"
    export(master(WindowsMaster(Firmware.UEFI)), source, DiskFormat.VHDX)
    with source.open("r+b") as file:
        file.truncate(source.stat().st_size // 2)
    _refused(source, "disk.truncated")


def test_not_a_disk(tmp_path: Path) -> None:
    source = tmp_path / "notes.txt"
    source.write_text("not a disk at all")
    _refused(source, "disk.not-a-disk")


def test_missing_source(tmp_path: Path) -> None:
    done = imageport(
        "migrate", tmp_path / "no.vmdk", "--to", "aws", "--output", tmp_path / "o.raw", "--json"
    )
    assert error_of(done)["code"] == "disk.unreadable"
    assert not list(tmp_path.iterdir())


def test_output_exists_or_has_no_folder(tmp_path: Path) -> None:
    source = tmp_path / "master.qcow2"
    export(master(WindowsMaster(Firmware.UEFI)), source, DiskFormat.QCOW2)
    output = tmp_path / "out.raw"
    output.write_text("precious")
    done = imageport("migrate", source, "--to", "aws", "--output", output, "--json")
    assert error_of(done)["code"] == "job.output-exists"
    assert output.read_text() == "precious"
    far = tmp_path / "no-such-folder" / "out.raw"
    done = imageport("migrate", source, "--to", "aws", "--output", far, "--json")
    assert error_of(done)["code"] == "job.output-folder"
    assert_nothing_left(tmp_path, source, output.name)


def test_missing_driver_is_refused_before_long_work(tmp_path: Path) -> None:
    source = tmp_path / "master.qcow2"
    export(master(WindowsMaster(Firmware.BIOS)), source, DiskFormat.QCOW2)
    output = tmp_path / "out.qcow2"
    done = imageport("migrate", source, "--to", "ahv", "--output", output, "--json")
    error = error_of(done)
    assert error["code"] == "job.blocked"
    assert "--drivers" in error["remedy"]
    assert_nothing_left(tmp_path, source)


@pytest.mark.parametrize(
    ("spec", "target", "expected"),
    [
        (LinuxMaster(Firmware.BIOS), "gcp", {"initramfs", "file-systems", "network", "first-boot"}),
        (WindowsMaster(Firmware.BIOS), "ahv", {"boot-storage", "network-drivers", "first-boot"}),
    ],
    ids=["linux", "windows"],
)
def test_dry_run_prints_the_plan_and_changes_nothing(
    tmp_path: Path,
    own_home: Path,
    spec: WindowsMaster | LinuxMaster,
    target: str,
    expected: set[str],
) -> None:
    source = tmp_path / "master.qcow2"
    export(master(spec), source, DiskFormat.QCOW2)
    before = sha256(source), source.stat()
    library = driver_library(tmp_path.with_name(f"{tmp_path.name}-drivers"))
    arguments = ("migrate", source, "--to", target, "--output", tmp_path / "out", "--dry-run")
    done = imageport(*arguments, "--drivers", library, "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)["plan"]
    assert {change["fixup"] for change in plan} >= expected
    assert all(change["what"] and change["where"] for change in plan)
    after = source.stat()
    assert (sha256(source), after.st_mtime_ns) == (before[0], before[1].st_mtime_ns)
    assert_nothing_left(tmp_path, source)
    assert_home_is_empty(own_home)


def test_dry_run_for_a_person(tmp_path: Path) -> None:
    source = tmp_path / "master.qcow2"
    export(master(LinuxMaster(Firmware.BIOS)), source, DiskFormat.QCOW2)
    output = tmp_path / "out.raw"
    done = imageport("migrate", source, "--to", "gcp", "--output", output, "--dry-run")
    assert done.returncode == 0, done.stderr
    for expected in ("initramfs", "fstab", "open-vm-tools", "Nothing was changed"):
        assert expected in done.stdout
    assert_nothing_left(tmp_path, source)


@pytest.mark.parametrize(
    "spec",
    [
        WindowsMaster(Firmware.UEFI, hang=True),
        pytest.param(LinuxMaster(Firmware.BIOS, hang=True), marks=pytest.mark.slow),
    ],
    ids=["windows", "linux"],
)
def test_image_that_hangs(
    tmp_path: Path, own_home: Path, spec: WindowsMaster | LinuxMaster
) -> None:
    source = tmp_path / "master.qcow2"
    export(master(spec), source, DiskFormat.QCOW2)
    before = sha256(source)
    output = tmp_path / "out.raw"
    done = imageport(
        *("migrate", source, "--to", "aws", "--output", output, "--json"),
        *("--no-untouched", "--boot-timeout", "40"),
    )
    assert error_of(done)["code"] == "job.boot-timeout"
    assert "a reset brought the engine" in done.stderr
    kept = tmp_path / "out.raw.failure"
    with Image.open(kept / "boot.png") as picture:
        assert picture.width >= 640
    # How far it came by then depends on how busy the computer is.
    said = (kept / "boot-serial.txt").read_text()
    assert said.strip()
    assert "first-boot: complete" not in said
    assert sha256(source) == before
    assert_nothing_left(tmp_path, source, kept.name)
    assert_home_is_empty(own_home)
