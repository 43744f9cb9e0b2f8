"""Copies in a process of its own, to be killed: `python -m tests.contract.ends.copy_child JSON`.

The JSON has `source` (a path), `make` ("module:function" that makes the target from `args`),
`args`, and `journal` (a path), or none for a target that finds by itself what is there.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from imageport.disk.copy import copy
from imageport.disk.open import open_disk


def main(said: str) -> None:
    job = json.loads(said)
    module, _, name = job["make"].partition(":")
    target = getattr(importlib.import_module(module), name)(**job["args"])
    with open_disk(job["source"]) as reader:
        journal = Path(job["journal"]) if "journal" in job else None
        print(copy(reader, target, journal=journal).root.hex())


if __name__ == "__main__":
    main(sys.argv[1])
