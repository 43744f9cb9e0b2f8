"""Shared by every ring: where built images are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

# Engine and masters are shared by content hash with other runs and workers, apart from a user's own.
os.environ.setdefault("IMAGEPORT_HOME", str(Path.home() / ".cache" / "imageport-tests"))
