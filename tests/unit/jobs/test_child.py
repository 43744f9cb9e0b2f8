"""Outputs that are children of their source: what is refused, and what is written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imageport.disk.base import MIB
from imageport.disk.child import create_child
from imageport.disk.create import create_disk
from imageport.disk.mapped import Stored
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.host.run import run
from imageport.jobs.child import source_manifest
from imageport.jobs.ends import HERE
from imageport.jobs.errors import (
    ChildFolder,
    ChildName,
    NoSpace,
    SourceChanged,
    VdiskFormat,
    VdiskLocked,
)
from imageport.jobs.folder import JobFolder, job_folder
from imageport.jobs.migration import JobRun
from imageport.jobs.output import read_back, write_output
from imageport.jobs.outputs.local import LocalOutput
from imageport.jobs.preflight import check_output
from imageport.jobs.source import SourceFacts, check_source
from imageport.jobs.work_disk import base_of, make_work_disk
from imageport.model.job import MigrateRequest
from imageport.model.target import DiskFormat, Firmware, Target
from imageport.model.wishes import Operation
from tests.unit.jobs.runs import job_run

SIZE = 8 * MIB
SUFFIXES = {
    DiskFormat.VHDX: ("vhdx", "avhdx"),
    DiskFormat.VHD: ("vhd", "avhd"),
    DiskFormat.VHD_FIXED: ("vhd", "avhd"),
}


def nothing(done: int, total: int) -> None:
    assert done <= total


def disk(path: Path, form: DiskFormat) -> Path:
    writer = create_disk(path, form, SIZE)
    writer.write(0, memoryview(b"parent" * 512 * 64)[: 512 * 300])
    writer.finish()
    return path


def request(source: Path, output: Path, **more: Any) -> MigrateRequest:
    usual: dict[str, Any] = {"firmware": Firmware.BIOS, "operation": Operation.UPGRADE_PVS}
    return MigrateRequest(str(source), Target.VSPHERE, str(output), **(usual | more))


def checked(asked: MigrateRequest) -> SourceFacts:
    facts = check_source(asked)
    check(asked, facts)
    return facts


def check(asked: MigrateRequest, facts: SourceFacts) -> None:
    output = LocalOutput(Path(asked.output), overwrite=asked.overwrite)
    assert check_output(asked, facts, HERE, output) == []


@pytest.mark.parametrize("form", list(SUFFIXES))
def test_what_can_be_a_child_leaves_nothing(tmp_path: Path, form: DiskFormat) -> None:
    own, childs = SUFFIXES[form]
    source = disk(tmp_path / f"win.{own}", form)
    checked(request(source, tmp_path / f"win.1.{childs}"))
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("form", [DiskFormat.RAW, DiskFormat.QCOW2])
def test_other_formats(tmp_path: Path, form: DiskFormat) -> None:
    source = disk(tmp_path / f"win.{form}", form)
    with pytest.raises(VdiskFormat):
        checked(request(source, tmp_path / "win.1.avhdx"))


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (DiskFormat.VHDX, "win.1.avhd"),
        (DiskFormat.VHDX, "win.1.qcow2"),
        (DiskFormat.VHD, "win.1.avhdx"),
        (DiskFormat.VHD_FIXED, "win.1"),
    ],
)
def test_a_name_of_another_format(tmp_path: Path, form: DiskFormat, name: str) -> None:
    source = disk(tmp_path / f"win.{SUFFIXES[form][0]}", form)
    with pytest.raises(ChildName):
        checked(request(source, tmp_path / name))


def test_another_folder(tmp_path: Path) -> None:
    source = disk(tmp_path / "win.vhdx", DiskFormat.VHDX)
    (tmp_path / "store").mkdir()
    with pytest.raises(ChildFolder):
        checked(request(source, tmp_path / "store/win.1.avhdx"))


@pytest.mark.parametrize(("name", "lock"), [("win.vhdx", "win.lok"), ("win.1.avhdx", "win.1.lok")])
def test_a_locked_vdisk(tmp_path: Path, name: str, lock: str) -> None:
    source = disk(tmp_path / name, DiskFormat.VHDX)
    output = tmp_path / "win.2.avhdx"
    (tmp_path / lock).touch()
    checked(request(source, output))
    (tmp_path / lock).write_bytes(b"PVS01")
    with pytest.raises(VdiskLocked, match=lock):
        checked(request(source, output))
    checked(request(source, output, ignore_lock=True))
    (tmp_path / "other.lok").write_bytes(b"PVS01")
    (tmp_path / lock).unlink()
    checked(request(source, output))


@pytest.mark.parametrize(
    ("chain", "free_mib", "good"),
    [(1, 2100, True), (1, 1900, False), (2, 2100, False), (2, 4200, True)],
)
def test_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: int, free_mib: int, good: bool
) -> None:
    monkeypatch.setenv("IMAGEPORT_HOME", str(tmp_path / "home"))
    source = disk(tmp_path / "win.vhdx", DiskFormat.VHDX)
    asked = request(source, tmp_path / "win.1.avhdx")
    facts = replace(check_source(asked), data=2048 * MIB, layers=chain)
    usage = shutil.disk_usage(tmp_path)._replace(free=free_mib * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    if good:
        check(asked, facts)
    else:
        with pytest.raises(NoSpace):
            check(asked, facts)


class Job(NamedTuple):
    """A job whose image was changed, up to its output."""

    run: JobRun[MigrateRequest]
    unproven: Path

    @property
    def source(self) -> Path:
        return Path(self.run.request.source)


@pytest.fixture(params=list(SUFFIXES))
def job(tmp_path: Path, own_home: Path, form_of: DiskFormat) -> Iterator[Job]:
    own, childs = SUFFIXES[form_of]
    source = disk(tmp_path / f"win.{own}", form_of)
    output = tmp_path / f"win.1.{childs}"
    asked = request(source, output)
    facts = checked(asked)
    folder = job_folder(asked)
    folder.make(asked)
    with open_disk(source) as reader:
        tree_hash(reader).save(source_manifest(folder))
    changed(folder, source)
    yield Job(job_run(folder, asked, facts), tmp_path / f"win.1.unproven.{childs}")
    folder.remove()


@pytest.fixture
def form_of(request: pytest.FixtureRequest) -> DiskFormat:
    return DiskFormat(request.node.callspec.params["job"])


def changed(folder: JobFolder, source: Path) -> None:
    """The job's layer with 512 bytes of its own at 4 MiB."""
    make_work_disk(folder, base_of(folder, str(source), HERE, nothing))
    write = f"write -P 7 {4 * MIB} 512"
    run(["qemu-io", "-f", "qcow2", "-c", write, folder.work_disk])


def test_the_child_holds_what_differs(job: Job) -> None:
    source = job.source
    before = source.read_bytes()
    written = write_output(job.run)
    proof = read_back(job.run, written)
    assert source.read_bytes() == before
    assert proof.root == written.root
    with open_disk(job.unproven) as child:
        assert child.parent is not None
        assert [each.file.name for each in child.chain()][1] == str(source)
        buffer = bytearray(SIZE)
        child.read_into(0, buffer)
    with open_disk(source) as parent:
        expected = bytearray(SIZE)
        parent.read_into(0, expected)
    expected[4 * MIB : 4 * MIB + 512] = b"\x07" * 512
    assert buffer == expected
    own = job.unproven.stat().st_blocks * 512
    assert own <= 4 * MIB, "the parent's blocks are not in it"


def test_a_parent_that_changed_is_found_out(job: Job) -> None:
    source = job.source
    written = write_output(job.run)
    with open_disk(source) as reader:
        stored = next(reader.runs(0, 512))
    assert isinstance(stored, Stored)
    with source.open("r+b") as file:
        file.seek(stored.position)
        file.write(b"X")
    with pytest.raises(SourceChanged):
        read_back(job.run, written)


def test_what_a_killed_job_had_written_is_begun_anew(job: Job) -> None:
    left = job.unproven
    for path in (left, left.with_name(f"{left.name}.partial")):
        path.write_bytes(b"cut off")
    written = write_output(job.run)
    assert read_back(job.run, written).root == written.root


def test_files_of_a_chain_are_counted(tmp_path: Path) -> None:
    parent, child = disk(tmp_path / "win.vhdx", DiskFormat.VHDX), tmp_path / "win.1.avhdx"
    create_child(child, parent, DiskFormat.VHDX).finish()
    assert check_source(request(parent, tmp_path / "win.2.avhdx")).layers == 1
    assert checked(request(child, tmp_path / "win.2.avhdx")).layers == 2
