"""The Debian base of the engine image: a tar of a minimal root, made by mmdebstrap and kept."""

from __future__ import annotations

import os
from pathlib import Path

from imageport.engine.image.recipe import KERNEL, PACKAGES, SUITE
from imageport.host.run import run

_LEFT_OUT = ("man", "doc", "locale", "info", "bash-completion", "zoneinfo")


def write_base(output: Path) -> None:
    """Make the base tar at `output`. Takes half a minute and needs the Debian mirror.

    The kernel is unpacked instead of installed: its install scripts would make an initramfs that is
    thrown away. Raises ToolMissing or ToolFailed.
    """
    partial = output.with_suffix(".part")
    hook = Path(__file__).parent / "files" / "unpack-kernel"
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--format=tar",
            "--variant=essential",
            f"--include={','.join(PACKAGES)}",
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT),
            f'--customize-hook={hook} {KERNEL} "$1"',
            SUITE,
            partial,
        ],
        env={"TMPDIR": os.environ.get("TMPDIR", "/tmp")},  # noqa: S108  # mmdebstrap's own default
    )
    partial.rename(output)
