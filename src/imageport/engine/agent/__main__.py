"""Started by the engine's init as `python3 -m imageport.engine.agent`."""

from __future__ import annotations

import sys
from pathlib import Path

from imageport.engine.agent.boot_data import read_boot_data
from imageport.engine.agent.folders import COMMANDS
from imageport.engine.agent.server import serve
from imageport.model.errors import ImageportError

SCRATCH = Path("/run")


def main() -> int:
    """Serve commands; the exit code says why it could not."""
    try:
        data = read_boot_data()
    except ImageportError as error:
        print(f"imageport engine: {error.message}", file=sys.stderr)
        return 3
    print(f"imageport engine: serving the job {data.job}", file=sys.stderr, flush=True)
    serve(data, COMMANDS, SCRATCH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
