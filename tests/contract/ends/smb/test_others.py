"""Others use the same files at the same time."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from imageport.disk.base import MIB
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.errors import ChangedError, RefusedError
from imageport.disk.ends.smb import SmbFile, file
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from tests.contract.ends.contract import SIZE
from tests.contract.ends.smb.case import NAME, SmbCase, held_open_for_writing, target_at


class TestOthersUseIt:
    def test_source_that_is_written_to(self, case: SmbCase, tmp_path: Path) -> None:
        with (
            held_open_for_writing(case.samba, NAME, tmp_path),
            pytest.raises(RefusedError, match="another program"),
        ):
            SmbFile(case.location, case.samba.account)
        SmbFile(case.location, case.samba.account).close()

    def test_source_may_be_read_and_not_written_meanwhile(self, case: SmbCase) -> None:
        (case.samba.data / NAME).write_bytes(b"x" * MIB)
        with case.reader():
            assert case.samba.content(NAME) == b"x" * MIB
            with pytest.raises(subprocess.CalledProcessError) as caught:
                case.samba.client("data", f'put /etc/hostname "{NAME}"')
            assert "SHARING_VIOLATION" in caught.value.stdout + caught.value.stderr

    def test_target_to_replace_that_is_in_use(self, case: SmbCase, tmp_path: Path) -> None:
        with (
            held_open_for_writing(case.samba, NAME, tmp_path),
            pytest.raises(RefusedError, match="another program"),
        ):
            target_at(case.samba, tmp_path / "state", NAME, overwrite=True).open()
        assert case.samba.content(NAME) == b"done"

    def test_target_that_comes_into_use_meanwhile(
        self, case: SmbCase, disk: Path, tmp_path: Path
    ) -> None:
        target = target_at(case.samba, tmp_path / "state", NAME, overwrite=True)
        writer = create_disk(target, DiskFormat.RAW, SIZE)
        with open_disk(disk) as source, held_open_for_writing(case.samba, NAME, tmp_path):
            with pytest.raises(RefusedError):
                copy(source, writer)
            assert case.samba.names() == [NAME]

    def test_second_copy_to_the_same_target(self, case: SmbCase, tmp_path: Path) -> None:
        first = target_at(case.samba, tmp_path / "one", NAME)
        first.open()
        first.write(0, b"first")
        with pytest.raises(RefusedError, match="another program"):
            target_at(case.samba, tmp_path / "two", NAME).open()
        with pytest.raises(RefusedError, match="another program"):
            target_at(case.samba, tmp_path / "two", NAME, resume=True).open()
        first.complete()
        assert case.samba.content(NAME) == b"first"

    @pytest.mark.parametrize("size", [MIB, 8 * MIB])
    def test_change_of_size_below_the_server(
        self, case: SmbCase, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        monkeypatch.setattr(file, "_CHECK_EVERY", 0.0)
        (case.samba.data / NAME).write_bytes(bytes(4 * MIB))
        buffer = bytearray(MIB)
        with case.reader() as reader:
            reader.read_into(0, buffer)
            os.truncate(case.samba.data / NAME, size)
            with pytest.raises(ChangedError):
                reader.read_into(2 * MIB, buffer)

    @pytest.mark.parametrize("replace", [False, True])
    def test_change_while_the_connection_was_lost(self, case: SmbCase, replace: bool) -> None:
        path = case.samba.data / NAME
        path.write_bytes(bytes(4 * MIB))
        with case.reader() as reader:
            case.relay.cut()
            time.sleep(0.5)
            if replace:
                path.rename(path.with_name("old"))
            path.write_bytes(b"x" * 4 * MIB)
            with pytest.raises(ChangedError):
                reader.read_into(0, bytearray(MIB))
