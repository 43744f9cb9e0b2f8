"""Debian packages as unpacked trees: downloaded with apt, never installed on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lab.guests.cache import cached, digest
from lab.guests.tools import run

_KERNEL: Final = "linux-image-6.12-cloud-amd64"
_DEPENDENCY: Final = re.compile(r"Depends: (linux-image-\S+)")


def unpacked(*packages: str) -> Path:
    """A cached directory with the contents of `packages` (newest versions when first asked)."""
    key = digest({"packages": packages}, [Path(__file__)])
    return cached(f"debs/{packages[0]}-{key}", lambda made: _unpack(made, packages))


def _unpack(made: Path, packages: tuple[str, ...]) -> None:
    downloads = made.with_name("downloads")
    for directory in (made, downloads):
        directory.mkdir()
    run("apt-get", "download", "-q", *packages, cwd=downloads)
    for package in downloads.glob("*.deb"):
        run("dpkg-deb", "-x", package, made)


def kernel_tree() -> tuple[Path, str]:
    """The tree of the kernel that all phony Windows boot, and its version string."""
    depends = run("apt-cache", "depends", _KERNEL).decode()
    image = _DEPENDENCY.search(depends)
    package = image.group(1) if image else _KERNEL
    return unpacked(package), package.removeprefix("linux-image-")
