"""The engine's initramfs: busybox, a few drivers, one script.

Made by hand instead of by initramfs-tools: that takes seconds instead of a minute, and starts in a
second under emulation. It is an uncompressed `newc` archive (Linux, Documentation/driver-api/
early-userspace/buffer-format.rst), since unpacking costs more there than reading.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from imageport.host.run import run

_APPLETS = (
    *("cat", "echo", "findfs", "grep", "modprobe", "mount", "poweroff", "reboot", "sh", "sleep"),
    *("sort", "switch_root", "xargs"),
)
"""What the script calls."""


def write_initramfs(tree: Path, modules: Iterable[str], init: Path, scratch: Path) -> bytes:
    """The archive's bytes for the kernel found in `tree` (a Debian root).

    `scratch` is an empty folder to lay it out in. Raises ToolMissing or ToolFailed.
    """
    version = kernel_version(tree)
    for name in ("bin", "dev", "proc", "sys", "root"):
        (scratch / name).mkdir()
    shutil.copy(tree / "bin/busybox", scratch / "bin/busybox")
    for applet in _APPLETS:
        (scratch / "bin" / applet).symlink_to("busybox")
    shutil.copy(init, scratch / "init")
    (scratch / "init").chmod(0o755)
    library = tree / "lib/modules" / version
    for relative in _with_dependencies(library, modules):
        target = scratch / "lib/modules" / version / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library / relative, target)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(library / name, scratch / "lib/modules" / version / name)
    run(["depmod", "-b", scratch, version])
    return archive(scratch)


def kernel_version(tree: Path) -> str:
    """The one kernel version installed in a Debian root."""
    (version,) = (path.name for path in (tree / "lib/modules").iterdir())
    return version


def _with_dependencies(library: Path, names: Iterable[str]) -> Iterator[Path]:
    """Paths below `library` of the modules named and all they need; unknown names are left out."""
    needs: dict[str, list[str]] = {}
    paths: dict[str, str] = {}
    for line in (library / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
        paths[_module_name(path)] = path
    wanted = [paths[_module_name(name)] for name in names if _module_name(name) in paths]
    seen: set[str] = set()
    while wanted:
        path = wanted.pop()
        if path not in seen:
            seen.add(path)
            wanted += needs[path]
            yield Path(path)


def _module_name(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")


def archive(folder: Path) -> bytes:
    """A `newc` cpio archive of a folder, owned by root, the same bytes for the same content."""
    entries = [
        _entry(path.relative_to(folder).as_posix(), path)
        for path in sorted(folder.rglob("*"), key=lambda path: path.as_posix())
    ]
    return b"".join(entries) + _header("TRAILER!!!", 0, 0)


def _entry(name: str, path: Path) -> bytes:
    status = path.lstat()
    if path.is_symlink():
        body = str(path.readlink()).encode()
    elif path.is_file():
        body = path.read_bytes()
    else:
        body = b""
    return _header(name, status.st_mode, len(body)) + body + bytes(-len(body) % 4)


def _header(name: str, mode: int, size: int) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return header + encoded + bytes(-(len(header) + len(encoded)) % 4)
