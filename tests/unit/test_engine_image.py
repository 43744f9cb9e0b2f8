"""Which engine image is taken, where there is one already."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.engine.image import recipe
from imageport.engine.image.build import built_image, engine_image


def test_one_that_was_brought_is_taken_unless_there_is_one_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = recipe.image_key()
    brought, own = tmp_path / "brought", tmp_path / "home/cache/engine"
    monkeypatch.setenv("IMAGEPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IMAGEPORT_ENGINES", str(brought))
    (brought / "of-another-version").mkdir(parents=True)
    assert built_image(key) is None
    (brought / key).mkdir()
    assert engine_image().disk == brought / key / "engine.qcow2"
    (own / key).mkdir(parents=True)
    assert engine_image().disk == own / key / "engine.qcow2"
    monkeypatch.delenv("IMAGEPORT_ENGINES")
    assert built_image(key) == own / key
