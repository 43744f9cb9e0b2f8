"""Shared by every ring: where built images are kept between runs, and how hypothesis runs."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

# Shared by content hash with other runs and workers, apart from what a user has.
os.environ.setdefault("IMAGEPORT_HOME", str(Path.home() / ".cache" / "imageport-tests"))

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
