"""Debian packages as unpacked trees: fetched by mmdebstrap, never installed on this machine.

Not with the machine's own apt: the package lists of a fresh machine are empty or old.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imageport.engine.image.recipe import FILES, KERNEL, SUITE
from imageport.host.run import run
from lab.guests.cache import cached, digest

_UNPACK_KERNEL: Final = FILES / "unpack-kernel"


def kernel_and(packages: tuple[str, ...]) -> Path:
    """A cached directory with the engine's kernel, `packages` and what they depend on."""
    key = digest({"packages": packages, "kernel": KERNEL}, [Path(__file__), _UNPACK_KERNEL])
    return cached(f"debs/kernel-{key}", lambda made: _unpack(made, packages))


def kernel_version(tree: Path) -> str:
    """The version of the kernel in `tree`."""
    (modules,) = (tree / "lib/modules").iterdir()
    return modules.name


def _unpack(made: Path, packages: tuple[str, ...]) -> None:
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=extract",
            "--format=directory",
            f"--include={','.join(packages)}",
            f'--extract-hook={_UNPACK_KERNEL} {KERNEL} "$1"',
            SUITE,
            made,
        ],
    )
