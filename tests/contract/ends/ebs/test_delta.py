"""EBS snapshots that take from a parent what did not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.base import GIB, MIB, DiskReader
from imageport.disk.copy import copy
from imageport.disk.ends.ebs.reader import changed_blocks
from imageport.disk.ends.errors import NotFoundError, RefusedError
from imageport.disk.errors import UnsupportedError
from imageport.disk.manifest import BLOCK, Manifest, compare
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from tests.contract.ends.contract import SIZE
from tests.contract.ends.ebs.case import EbsCase, content, interrupt


class TestDelta:
    @pytest.fixture
    def base(self, case: EbsCase, source: DiskReader) -> Manifest:
        return copy(source, case.target(SIZE))

    @pytest.fixture
    def newer(self, source: DiskReader, tmp_path: Path) -> Iterator[DiskReader]:
        """Three blocks changed, one of them where there was nothing, and one became a hole."""
        changed = bytearray(content(source))
        for at in (100, 10 * MIB + 7, SIZE - 1):
            changed[at] ^= 0xFF
        changed[6 * MIB : 6 * MIB + BLOCK] = bytes(BLOCK)
        path = tmp_path / "newer.raw"
        with open(path, "wb") as file:
            file.truncate(SIZE)
            for at in range(0, SIZE, BLOCK):
                if any(changed[at : at + BLOCK]):
                    file.seek(at)
                    file.write(changed[at : at + BLOCK])
        with open_disk(path) as reader:
            yield reader

    def test_only_changed_blocks_move(
        self, case: EbsCase, base: Manifest, newer: DiskReader
    ) -> None:
        parent, before = case.last, case.sent()
        target = case.writer(SIZE, parent=parent)
        assert not target.zeroed
        manifest = copy(newer, target, base=base)
        assert case.sent() - before < 4 * BLOCK + 16384
        assert case.peers_content(SIZE) == content(newer)
        changed = list(compare(base, manifest))
        assert [at // BLOCK for at in changed] == case.lab.snapshots()[target.snapshot]["blocks"]
        assert list(changed_blocks(case.account, parent, target.snapshot)) == changed
        with case.reader() as reader:
            assert tree_hash(reader).root == manifest.root

    def test_interrupted_delta(
        self, case: EbsCase, base: Manifest, newer: DiskReader, tmp_path: Path
    ) -> None:
        journal, parent = tmp_path / "journal", case.last
        interrupt(newer, case.writer(SIZE, parent=parent), journal, 4 * MIB, base)
        copy(newer, case.writer(SIZE, resume=True, parent=parent), base=base, journal=journal)
        assert case.peers_content(SIZE) == content(newer)

    def test_parents_that_cannot_be(self, case: EbsCase) -> None:
        with pytest.raises(NotFoundError):
            case.writer(SIZE, parent="snap-0123456789abcdef0")
        parent = case.writer(SIZE, encrypted=True)
        parent.finish()
        child = case.writer(SIZE, parent=parent.snapshot)
        assert not child.zeroed
        child.abort()
        with pytest.raises(UnsupportedError):
            case.writer(2 * GIB, parent=parent.snapshot)

    def test_snapshots_of_no_lineage(self, case: EbsCase, base: Manifest) -> None:
        first = case.last
        case.target(SIZE).finish()
        with pytest.raises(RefusedError, match="not related"):
            list(changed_blocks(case.account, first, case.last))
