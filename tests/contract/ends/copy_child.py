"""Copies in a process of its own, to be killed: `python -m tests.contract.ends.copy_child JSON`.

The JSON has `source` (a path or an address), `make` ("module:function" that makes the target from
`args`), `args`, and `journal` (a path), or none for a target that finds by itself what is there.
`pause` is how many seconds to rest after each MiB, so that whoever wants to kill the copy is in
time.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from imageport.disk.copy import copy
from imageport.disk.ends.open import Access, open_source


def main(said: str) -> None:
    job = json.loads(said)
    module, _, name = job["make"].partition(":")
    target = getattr(importlib.import_module(module), name)(**job["args"])
    with open_source(job["source"], Access()) as reader:
        journal = Path(job["journal"]) if "journal" in job else None

        def rest(done: int, total: int) -> None:
            time.sleep(job.get("pause", 0))

        print(copy(reader, target, journal=journal, progress=rest).root.hex())


if __name__ == "__main__":
    main(sys.argv[1])
