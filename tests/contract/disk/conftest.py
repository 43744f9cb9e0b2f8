from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.disk import qemu


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw disk; tests do not write to it."""
    path = tmp_path_factory.mktemp("sample") / "sample.raw"
    qemu.make_sample(path)
    return path


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Callable[[str], Path]:
    """The sample as the named kind of image, made once; tests do not write to it."""
    folder = tmp_path_factory.mktemp("images")
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = qemu.make(qemu.BY_NAME[name], sample, folder)
        return made[name]

    return get
