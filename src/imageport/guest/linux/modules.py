"""The kernel modules of a guest's kernels: which there are, built in or as files (modprobe.d(5),
depmod(8): modules.dep, modules.builtin)."""

from __future__ import annotations

from pathlib import Path

_SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


def module_name(path: str) -> str | None:
    """`virtio_scsi` for `kernel/drivers/scsi/virtio_scsi.ko.xz`; None for what is no module."""
    file = path.rpartition("/")[2]
    for suffix in _SUFFIXES:
        if file.endswith(suffix):
            return file[: -len(suffix)].replace("-", "_")
    return None


def dependencies(folder: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """modules.dep of a kernel's folder: name -> its path and the paths it needs, all relative."""
    table: dict[str, tuple[str, tuple[str, ...]]] = {}
    file = folder / "modules.dep"
    for line in file.read_text().splitlines() if file.exists() else ():
        path, _, needed = line.partition(":")
        name = module_name(path)
        if name:
            table[name] = (path, tuple(needed.split()))
    return table


def builtin(folder: Path) -> frozenset[str]:
    """The names of the modules built into the kernel of this folder."""
    file = folder / "modules.builtin"
    lines = file.read_text().splitlines() if file.exists() else ()
    return frozenset(name for name in map(module_name, lines) if name)


def closure(table: dict[str, tuple[str, tuple[str, ...]]], names: tuple[str, ...]) -> list[str]:
    """The paths of `names` (those that are files) and of all they need, each once, sorted."""
    paths: set[str] = set()
    for name in names:
        if name in table:
            path, needed = table[name]
            paths.update((path, *needed))
    return sorted(paths)
