"""What is on a share, and what becomes of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from imageport.disk.base import MIB, ExtentKind
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.errors import DeniedError, NoSpaceError, NotFoundError, RefusedError
from imageport.disk.ends.smb import SmbFile, free_space
from imageport.disk.errors import BackingRefusedError, TargetExistsError
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from tests.contract.ends.contract import SIZE
from tests.contract.ends.samba import FULL_SIZE
from tests.contract.ends.smb.case import NAME, SmbCase, at, target_at


class TestWhatIsThere:
    @pytest.mark.parametrize(
        "share, path", [("none", NAME), ("data", NAME), ("data", f"no/{NAME}")]
    )
    def test_missing_share_file_or_folder(self, case: SmbCase, share: str, path: str) -> None:
        with pytest.raises(NotFoundError) as caught:
            SmbFile(at(case.samba, path, share), case.samba.account)
        assert caught.value.data["file"] == at(case.samba, path, share).name

    def test_folder_is_no_image(self, case: SmbCase) -> None:
        (case.samba.data / "folder").mkdir()
        try:
            with pytest.raises(RefusedError, match="folder"):
                SmbFile(at(case.samba, "folder"), case.samba.account)
        finally:
            (case.samba.data / "folder").rmdir()

    def test_target_in_a_folder_that_is_missing(self, case: SmbCase, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            target_at(case.samba, tmp_path / "state", "no/new.raw").open()

    def test_read_only_share(self, case: SmbCase, tmp_path: Path) -> None:
        with pytest.raises(DeniedError, match="read-only"):
            target_at(case.samba, tmp_path / "state", NAME, "readonly").open()

    def test_existing_file_is_kept(self, case: SmbCase, tmp_path: Path) -> None:
        (case.samba.data / NAME).write_bytes(b"precious")
        with pytest.raises(TargetExistsError):
            target_at(case.samba, tmp_path / "state", NAME).open()
        assert case.samba.names() == [NAME]
        assert case.samba.content(NAME) == b"precious"

    def test_file_that_appears_meanwhile_is_kept(
        self, case: SmbCase, disk: Path, tmp_path: Path
    ) -> None:
        writer = create_disk(target_at(case.samba, tmp_path / "state", NAME), DiskFormat.RAW, SIZE)
        (case.samba.data / NAME).write_bytes(b"precious")
        with open_disk(disk) as source, pytest.raises(TargetExistsError):
            copy(source, writer)
        assert case.samba.names() == [NAME]
        assert case.samba.content(NAME) == b"precious"

    def test_existing_file_is_replaced_at_the_end_only(
        self, case: SmbCase, disk: Path, tmp_path: Path
    ) -> None:
        (case.samba.data / NAME).write_bytes(b"precious")
        target = target_at(case.samba, tmp_path / "state", NAME, overwrite=True)
        writer = create_disk(target, DiskFormat.RAW, SIZE)
        writer.write(0, memoryview(b"new!" * 128))
        assert case.samba.content(NAME) == b"precious"
        writer.abort()
        assert case.samba.names() == [NAME]
        with open_disk(disk) as source:
            copy(source, case.target(SIZE))
        assert case.samba.content(NAME) == disk.read_bytes()

    def test_files_beside_it_are_parents(self, case: SmbCase, disk: Path) -> None:
        convert = ["qemu-img", "convert", "-q", "-O", "qcow2", str(disk), "base.qcow2"]
        subprocess.run(convert, cwd=case.samba.data, check=True)
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]
        subprocess.run([*create, "base.qcow2", "child.qcow2"], cwd=case.samba.data, check=True)
        write = ["qemu-io", "-c", "write -q -P 7 5M 64k", "child.qcow2"]
        subprocess.run(write, cwd=case.samba.data, check=True)
        content = bytearray(disk.read_bytes())
        content[5 * MIB : 5 * MIB + 65536] = b"\x07" * 65536
        buffer = bytearray(SIZE)
        with open_disk(SmbFile(at(case.samba, "child.qcow2"), case.samba.account)) as reader:
            assert reader.read_into(0, buffer) == SIZE
        assert buffer == content
        subprocess.run(
            [*create, "/etc/base.qcow2", "-u", "far.qcow2", "1M"], cwd=case.samba.data, check=True
        )
        with pytest.raises(BackingRefusedError):
            open_disk(SmbFile(at(case.samba, "far.qcow2"), case.samba.account))

    def test_what_is_written_is_sparse(self, case: SmbCase, disk: Path) -> None:
        with open_disk(disk) as source:
            copy(source, case.target(SIZE))
            data = sum(e.length for e in source.extents() if e.kind is ExtentKind.DATA)
        assert (case.samba.data / NAME).stat().st_blocks * 512 < data + MIB
        with case.reader() as reader:
            assert any(extent.kind is ExtentKind.UNALLOCATED for extent in reader.extents())


class TestRoom:
    def test_disk_full(self, case: SmbCase, tmp_path: Path) -> None:
        disk = tmp_path / "large.raw"
        disk.write_bytes(os.urandom(MIB) * (FULL_SIZE + 8))
        writer = create_disk(
            target_at(case.samba, tmp_path / "state", NAME, "small"),
            DiskFormat.RAW,
            disk.stat().st_size,
        )
        with open_disk(disk) as source, pytest.raises(NoSpaceError, match="full"):
            copy(source, writer)
        assert case.samba.names("small") == []
        assert free_space(at(case.samba, "", "small"), case.samba.account) > (FULL_SIZE - 1) * MIB

    def test_free_space(self, case: SmbCase) -> None:
        account = case.samba.account
        total = os.statvfs(case.samba.data)
        near = total.f_bavail * total.f_frsize
        for path in ("", "new.raw"):
            assert abs(free_space(at(case.samba, path), account) - near) < near // 4
        assert free_space(at(case.samba, "", "small"), account) <= FULL_SIZE * MIB
        for place in (at(case.samba, "no/new.raw"), at(case.samba, "", "none")):
            with pytest.raises(NotFoundError):
                free_space(place, account)
