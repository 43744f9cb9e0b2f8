"""Shared by every ring: kept images, a state folder apart, and how hypothesis runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Shared by content hash with other runs and workers, apart from what a user has.
os.environ.setdefault("IMAGEPORT_HOME", str(Path.home() / ".cache" / "imageport-tests"))

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test alone, built images excepted: all that it holds is the test's."""
    home = tmp_path_factory.mktemp("home")
    (home / "cache").symlink_to(Path(os.environ["IMAGEPORT_HOME"]) / "cache")
    monkeypatch.setenv("IMAGEPORT_HOME", str(home))
    return home


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """For commands that run in this process, and write logs to a standard error of their own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
