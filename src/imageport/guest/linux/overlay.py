"""Drivers added to an initramfs as one more archive behind it.

The archive holds the missing modules, uncompressed, and the indexes (depmod(8)) of all modules
that the initramfs then has: its udev loads by those. Folders that exist already are not repeated:
the kernel would replace a link such as `lib -> usr/lib` by them.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from imageport.guest.command import run
from imageport.guest.linux import cpio, initramfs
from imageport.guest.linux.modules import closure, dependencies, module_name

_INDEXES: Final = (
    "modules.builtin",
    "modules.builtin.modinfo",
    "modules.builtin.bin",
    "modules.order",
)
_PREFIXES: Final = ("usr/lib/modules", "lib/modules")


def add_modules(image: Path, folder: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """Add the modules `names` of the kernel in `folder` to its initramfs `image`.

    Returns the paths of the modules added, with what they depend on; empty when all were there.
    Names that the kernel has no file for are left out. Raises `UnreadableInitramfsError`, and
    `CommandError` when depmod fails.
    """
    version = folder.name
    with tempfile.TemporaryDirectory(prefix="imageport-initramfs-") as scratch:
        tree = Path(scratch) / "lib/modules" / version
        tree.mkdir(parents=True)
        contents = initramfs.read(image, _keep_modules(version, tree))
        added = []
        for path in closure(dependencies(folder), names):
            if module_name(path) not in contents.modules:
                added.append(_unpacked(folder / path, tree / path))
        if not added:
            return ()
        for name in _INDEXES:
            if (folder / name).exists():
                shutil.copyfile(folder / name, tree / name)
        run(["depmod", "-b", scratch, version])
        initramfs.append(image, _archive(contents, version, tree, added))
    return tuple(path.relative_to(tree).as_posix() for path in added)


def _keep_modules(version: str, tree: Path) -> Callable[[cpio.Member, Callable[[], bytes]], None]:
    """A visitor that copies the modules of `version` to `tree`: depmod has to see them too."""

    def visit(member: cpio.Member, content: Callable[[], bytes]) -> None:
        _, found, below = member.path.partition(f"lib/modules/{version}/")
        if found and member.is_file and module_name(member.path):
            place = tree / below
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content())

    return visit


def _unpacked(source: Path, place: Path) -> Path:
    """The module without its own compression, which the initramfs' tools may not know."""
    data = source.read_bytes()
    target = place
    if source.suffix == ".xz":
        data, target = lzma.decompress(data), place.with_suffix("")
    elif source.suffix == ".gz":
        data, target = zlib.decompress(data, 31), place.with_suffix("")
    elif source.suffix == ".zst":
        target = place.with_suffix("")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".zst":
        run(["zstd", "-dq", "-f", source, "-o", target])
    else:
        target.write_bytes(data)
    return target


def _archive(contents: initramfs.Contents, version: str, tree: Path, added: list[Path]) -> bytes:
    prefix = next(
        (p for p in _PREFIXES if any(path.startswith(f"{p}/") for path in contents.paths)),
        "usr/lib/modules" if "usr/lib" in contents.paths else "lib/modules",
    )
    files = [*added, *sorted(tree.glob("modules.*"))]
    members = {f"{prefix}/{version}/{file.relative_to(tree).as_posix()}": file for file in files}
    folders = {
        parent.as_posix()
        for path in members
        for parent in Path(path).parents
        if parent.as_posix() not in (".", *contents.paths)
    }
    return cpio.archive(
        [(folder, stat.S_IFDIR | 0o755, b"") for folder in sorted(folders)]
        + [(path, stat.S_IFREG | 0o644, file.read_bytes()) for path, file in members.items()]
    )
