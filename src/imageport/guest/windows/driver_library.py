r"""A driver library: a folder of driver packages, such as the content of the virtio-win ISO.

A package is a folder with an INF; it is found by the device id that the INF names, and where
several fit, by the names of the folders that it lies in. Known are the layouts of

    virtio-win   vioscsi/2k22/amd64                   Amazon     ENA/2022, AWSNVMe
    VMware       Drivers/pvscsi/Win10/amd64           XenServer  xenvbd/x64
    Google       netkvm/win10.0, gvnic/win10.0/amd64

and any other folder: without a release's name it is taken for one that fits every release.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from imageport.guest.errors import DriverLibraryError
from imageport.guest.windows.inspect_release import pe_machine
from imageport.model.guest_facts import WindowsFacts

LOCK: Final = "drivers.lock"
"""Beside the packages, in sha256sum's format: the only files that may be used."""
OTHER_ARCHITECTURES: Final = frozenset(
    {"x86", "arm64", "i386", "i686", "aarch64", "win32", "arm", "32"}
)
_SERVER_FOLDERS: Final = ((26100, "2k25"), (20348, "2k22"), (17763, "2k19"), (14393, "2k16"))
_CLIENT_FOLDERS: Final = ((22000, "w11"), (10240, "w10"))
_OTHER_NAMES: Final = {
    "2025": "2k25", "2022": "2k22", "2019": "2k19", "2016": "2k16",
    "win11": "w11", "win10": "w10",
}  # fmt: skip
"""Amazon's and VMware's folders, by virtio-win's names."""
_OF_BOTH: Final = ("win10.0", "win10")
"""One kernel, two products: VMware's and Google's folders say the kernel's version."""
_OLD: Final = frozenset(
    {"2k3", "2k8", "2k8r2", "2k12", "2k12r2", "xp", "w7", "w8", "w8.1", "vista", "win7", "win8",
     "win8.1", "win6.0", "win6.1", "win6.2", "win6.3", "2008", "2008r2", "2012", "2012r2"}
)  # fmt: skip
_LEFT_OUT: Final = (".pdb",)
_MAX_INF: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class DriverPackage:
    """A driver package of the library, for one release of Windows and x64."""

    inf: Path
    driver: Path | None
    """The `.sys` file named like the service, where there is one."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What an installation needs: all of its folder but symbols."""
        found = (path for path in self.inf.parent.iterdir() if path.is_file())
        return tuple(sorted(path for path in found if path.suffix.lower() not in _LEFT_OUT))


def windows_folders(windows: WindowsFacts) -> tuple[str, ...]:
    """virtio-win's names of this release and of older ones that its drivers are good for."""
    table = _SERVER_FOLDERS if windows.server else _CLIENT_FOLDERS
    return tuple(name for build, name in table if windows.build >= build)


def find(
    library: str, hardware_ids: tuple[str, ...], windows: WindowsFacts
) -> DriverPackage | None:
    """The best package whose INF names one of `hardware_ids`, or None.

    Raises `DriverLibraryError` when `library` is no readable folder.
    """
    root = Path(library)
    if not root.is_dir():
        raise DriverLibraryError(
            library=library, driver="any", windows=f"build {windows.build}", detail="no such folder"
        )
    wanted = [each.casefold() for each in hardware_ids]
    folders = windows_folders(windows)
    ranked = sorted(
        (rank, str(inf), inf)
        for inf in _infs(root)
        if (rank := _rank(inf.relative_to(root), folders)) is not None and _names(inf, wanted)
    )
    if not ranked:
        return None
    inf = ranked[0][2]
    return DriverPackage(inf, _driver(inf))


def _infs(root: Path) -> Iterator[Path]:
    # Every driver looks through all of them, and pathlib's own search takes several times as long.
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names if name.lower().endswith(".inf"))


def _rank(inf: Path, folders: tuple[str, ...]) -> int | None:
    """Smaller is better; None for another architecture or a release that this Windows is not."""
    parts = {part.casefold() for part in inf.parts[:-1]}
    if parts & OTHER_ARCHITECTURES:
        return None
    named = {_OTHER_NAMES.get(part, part) for part in parts}
    for rank, name in enumerate(folders):
        if name in named:
            return rank
    if parts.intersection(_OF_BOTH):
        return len(folders)
    every = {name for _, name in (*_SERVER_FOLDERS, *_CLIENT_FOLDERS)}
    return None if named & (every | _OLD) else len(folders) + 1


def _names(inf: Path, hardware_ids: list[str]) -> bool:
    status = inf.stat()
    if status.st_size > _MAX_INF:
        return False
    text = _text(inf, status.st_mtime_ns, status.st_size)
    return any(each in text for each in hardware_ids)


@lru_cache(maxsize=4096)
def _text(inf: Path, changed: int, size: int) -> str:
    """An INF's text in lower case; kept, since every driver looks through all of them."""
    del changed, size
    raw = inf.read_bytes()
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    return raw.decode("utf-16" if wide else "latin-1", errors="replace").casefold()


def _driver(inf: Path) -> Path | None:
    """The package's x64 driver: the one named like its INF, or its only one."""
    found = [path for path in _systems(inf.parent) if pe_machine(_head(path)) == "x86_64"]
    named = [path for path in found if path.stem.casefold() == inf.stem.casefold()]
    return named[0] if named else found[0] if len(found) == 1 else None


def _systems(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".sys")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)
