"""Shared by every ring: where built images are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

# Shared by content hash with other runs and workers, apart from what a user has.
os.environ.setdefault("IMAGEPORT_HOME", str(Path.home() / ".cache" / "imageport-tests"))
