"""What an earlier attempt has published, and did not come to say, is found; another's is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.jobs.ends import HERE
from imageport.jobs.publish import publish_disk
from imageport.jobs.report import Silent
from imageport.platforms.pvs.errors import VdiskExists
from imageport.platforms.pvs.publish import NewVdisk
from tests.contract.ends.contract import make_disk


def test_what_was_published_is_found_again(tmp_path: Path, own_home: Path) -> None:
    source, store = tmp_path / "master.raw", tmp_path / "store"
    store.mkdir()
    make_disk(source)
    given = (str(source), str(store), NewVdisk("win"), HERE, Silent(), "job")
    first = publish_disk(*given)
    before = (store / "win.vhdx").stat().st_mtime_ns
    assert publish_disk(*given, take_same=True) == first
    with pytest.raises(VdiskExists):
        publish_disk(*given)
    make_disk(source, seed=6)
    with pytest.raises(VdiskExists):
        publish_disk(*given, take_same=True)
    assert (store / "win.vhdx").stat().st_mtime_ns == before
    assert [path.name for path in store.iterdir()] == ["win.vhdx"]
    assert not list((own_home / "copies").iterdir())
