"""Programs of this folder, run in the environment of clients that are not ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

BIN: Final = Path(__file__).parents[3] / ".clients/bin"


def answer_of(program: str, told: dict[str, Any], library: Path | None = None) -> Any:
    """What the program answers to what it is told; `library` is a folder that it imports from.

    Secrets go by standard input, as they should.
    """
    done = subprocess.run(
        [BIN / "python", Path(__file__).with_name(program)],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(library or "")},
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
