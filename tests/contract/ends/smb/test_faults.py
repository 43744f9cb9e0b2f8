"""What happens on the way between the end and its server."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from imageport.disk.base import MIB
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.smb.lane import Handle
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat
from tests.contract.ends.contract import SIZE
from tests.contract.ends.samba import Samba
from tests.contract.ends.smb.case import NAME, SmbCase, target_at


class TestOnTheWay:
    def test_bit_flipped_upward(self, case: SmbCase, disk: Path) -> None:
        with open_disk(disk) as source:
            target = case.target(SIZE)
            case.relay.flip_sent_at = case.relay.sent + 3 * MIB
            copy(source, target)
        assert case.relay.flip_sent_at is None
        assert case.samba.content(NAME) == disk.read_bytes()

    def test_bit_flipped_downward(self, case: SmbCase, disk: Path) -> None:
        with open_disk(disk) as source:
            manifest = copy(source, case.target(SIZE))
        with case.reader() as reader:
            case.relay.flip_received_at = case.relay.received + 3 * MIB
            assert tree_hash(reader).root == manifest.root
        assert case.relay.flip_received_at is None

    def test_slow_peer(self, case: SmbCase, disk: Path) -> None:
        with open_disk(disk) as source:
            target = case.target(SIZE)
            stalls = iter([1.5])

            def stall(done: int, total: int) -> None:
                if seconds := next(stalls, 0.0):
                    case.relay.flowing.clear()
                    threading.Timer(seconds, case.relay.flowing.set).start()

            copy(source, target, progress=stall)
        assert case.samba.content(NAME) == disk.read_bytes()

    def test_server_that_is_started_again(self, tmp_path: Path, disk: Path) -> None:
        samba = Samba(tmp_path / "samba", "smb encrypt = required")
        restarts = iter([1])
        try:
            target = target_at(samba, tmp_path / "state", NAME, patience=60.0)
            writer = create_disk(target, DiskFormat.VHDX, SIZE)

            def restart(done: int, total: int) -> None:
                if done > total // 2 and next(restarts, 0):
                    samba.kill()
                    samba.start()

            with open_disk(disk) as source:
                manifest = copy(source, writer, progress=restart)
            assert samba.names() == [NAME]
            (samba.data / NAME).rename(samba.data / "disk.vhdx")
            with open_disk(samba.data / "disk.vhdx") as reader:
                assert tree_hash(reader).root == manifest.root
        finally:
            samba.kill()

    def test_connection_lost_just_after_the_file_is_made(
        self, case: SmbCase, disk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_sparse = Handle.make_sparse
        lost: list[bool] = []

        def lose(handle: Handle) -> None:
            if not lost:
                lost.append(True)
                raise ConnectionResetError("lost")
            make_sparse(handle)

        monkeypatch.setattr(Handle, "make_sparse", lose)
        target = target_at(case.samba, case.state, NAME, resume=True)
        writer = create_disk(target, DiskFormat.RAW, SIZE)
        assert lost
        assert not target.resumed
        with open_disk(disk) as source:
            copy(source, writer)
        assert case.samba.content(NAME) == disk.read_bytes()

    def test_answer_to_the_renaming_is_lost(
        self, case: SmbCase, disk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rename = Handle.rename
        lost: list[str] = []

        def lose(handle: Handle, path: str, *, replace: bool) -> None:
            rename(handle, path, replace=replace)
            if not lost:
                lost.append(path)
                raise ConnectionResetError("lost")

        monkeypatch.setattr(Handle, "rename", lose)
        with open_disk(disk) as source:
            copy(source, case.target(SIZE))
        assert lost
        assert case.samba.names() == [NAME]
        assert case.samba.content(NAME) == disk.read_bytes()
