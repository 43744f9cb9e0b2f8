"""EBS snapshots that another process goes on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imageport.disk.base import GIB, KIB, MIB, DiskReader
from imageport.disk.copy import copy
from imageport.disk.ends.ebs.reader import EbsReader
from imageport.disk.ends.errors import UnreachableError
from imageport.disk.manifest import BLOCK
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from tests.contract.ends.contract import SIZE
from tests.contract.ends.ebs.case import EbsCase, content, interrupt, make_writer


class TestResume:
    def test_only_what_is_missing_moves(
        self, case: EbsCase, source: DiskReader, tmp_path: Path
    ) -> None:
        journal, target = tmp_path / "journal", case.target(SIZE)
        interrupt(source, target, journal, 6 * MIB)
        assert 0 < case.sent() < 8 * MIB
        again = case.writer(SIZE, resume=True)
        assert again.snapshot == target.snapshot
        manifest = copy(source, again, journal=journal)
        moved = len(case.lab.snapshots()[again.snapshot]["blocks"]) * BLOCK
        assert moved < case.sent() < moved + 16 * KIB
        assert case.peers_content(SIZE) == content(source)
        assert manifest.root == tree_hash(source).root
        assert not list(tmp_path.glob("snapshot*"))

    def test_without_its_journal_it_begins_anew(
        self, case: EbsCase, source: DiskReader, tmp_path: Path
    ) -> None:
        target = case.target(SIZE)
        interrupt(source, target, tmp_path / "journal", 6 * MIB)
        (tmp_path / "journal").unlink()
        again = case.writer(SIZE, resume=True)
        copy(source, again, journal=tmp_path / "journal")
        assert list(case.lab.snapshots()) == [again.snapshot] != [target.snapshot]
        assert case.lab.volume(again.snapshot, SIZE) == content(source)

    def test_snapshot_that_the_service_gave_up(
        self, case: EbsCase, source: DiskReader, tmp_path: Path
    ) -> None:
        target = case.target(SIZE)
        interrupt(source, target, tmp_path / "journal", 6 * MIB)
        case.ec2.delete_snapshot(SnapshotId=target.snapshot)
        again = case.writer(SIZE, resume=True)
        copy(source, again, journal=tmp_path / "journal")
        assert case.peers_content(SIZE) == content(source)

    def test_without_resume_the_old_one_is_deleted(
        self, case: EbsCase, source: DiskReader, tmp_path: Path
    ) -> None:
        target = case.target(SIZE)
        interrupt(source, target, tmp_path / "journal", 6 * MIB)
        assert list(case.lab.snapshots()) == [target.snapshot]
        again = case.target(SIZE)
        assert list(case.lab.snapshots()) == [again.snapshot] != [target.snapshot]
        again.abort()

    @pytest.mark.parametrize("resume", [True, False])
    def test_end_between_the_start_and_its_record(self, resume: bool, case: EbsCase) -> None:
        """The client token finds the snapshot whose id nobody wrote down."""
        target = case.target(SIZE)
        target.suspend()
        remembered = json.loads(case.state.read_text())
        case.state.write_text(json.dumps(remembered | {"snapshot": ""}))
        again = case.writer(SIZE, resume=resume)
        assert list(case.lab.snapshots()) == [again.snapshot]
        assert (again.snapshot == target.snapshot) is resume
        again.abort()
        assert case.left_behind() == []

    def test_end_while_it_was_sealed(
        self, case: EbsCase, source: DiskReader, tmp_path: Path
    ) -> None:
        case.lab.set(seal=3)
        target = case.writer(SIZE, wait=0.1)
        with pytest.raises(UnreachableError):
            copy(source, target, journal=tmp_path / "journal")
        before = case.sent()
        copy(source, case.writer(SIZE, resume=True, wait=20.0), journal=tmp_path / "journal")
        assert case.sent() - before < MIB
        assert case.peers_content(SIZE) == content(source)

    @pytest.mark.timeout(3600)
    @pytest.mark.parametrize(
        "size", [320 * MIB, pytest.param(4 * GIB, marks=pytest.mark.slow)], ids=["320M", "4G"]
    )
    def test_killed(self, size: int, case: EbsCase, tmp_path: Path) -> None:
        path, journal = tmp_path / "big.raw", tmp_path / "journal"
        with open(path, "wb") as file:
            for _ in range(0, size, 16 * MIB):
                file.write(os.urandom(16 * MIB))
        said = {
            "source": str(path),
            "make": "tests.contract.ends.ebs.case:make_writer",
            "args": {"endpoint": case.proxy.address, "size": size, "state": str(case.state)},
            "journal": str(journal),
        }
        argv = [sys.executable, "-m", "tests.contract.ends.copy_child", json.dumps(said)]
        child = subprocess.Popen(argv, cwd=Path(__file__).parents[4])
        while case.sent() < size * 0.9 and child.poll() is None:
            time.sleep(0.05)
        child.kill()
        assert child.wait() == -9
        before = case.sent()
        with open_disk(path) as reader:
            target = make_writer(case.proxy.address, size, str(case.state))
            manifest = copy(reader, target, journal=journal)
            # Between two records lie 256 MiB at most.
            assert 0 < case.sent() - before < min(size - 250 * MIB, size * 0.1 + 270 * MIB)
        with EbsReader(case.account, target.snapshot, size=size) as written:
            assert tree_hash(written).root == manifest.root
