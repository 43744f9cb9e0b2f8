"""`imageport engine build`: the engine image, made once and kept by its content key."""

from __future__ import annotations

import compileall
import lzma
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imageport.engine.image import recipe
from imageport.engine.image.base import write_base
from imageport.engine.image.bootdisk import BootDisk, write_boot_disk
from imageport.engine.image.initramfs import kernel_version, write_initramfs
from imageport.host.home import subfolder
from imageport.host.lock import exclusive
from imageport.host.run import run

Say = Callable[[str], None]

VARIABLE = "IMAGEPORT_ENGINES"
"""The environment variable that may name a folder of engine images that were built before, each in
a folder named as its key: a container image brings them, since none can be built inside."""


@dataclass(frozen=True, slots=True)
class EngineImage:
    """A built engine image, never written to again: the disk (qcow2), the kernel and the initramfs
    that are on it, and its content key."""

    disk: Path
    kernel: Path
    initrd: Path
    key: str


def engine_image(say: Say = lambda _: None) -> EngineImage:
    """The engine image of this version, built when it is not there yet: see `built_image`.

    The first build takes a minute and needs the Debian mirror; a change of our own code alone takes
    seconds. `say` is told each step. Raises ToolMissing or ToolFailed.
    """
    key = recipe.image_key()
    built = built_image(key)
    if built is None:
        folder = subfolder("cache", "engine")
        built = folder / key
        with exclusive(folder / "build.lock", what="the engine image", wait=True):
            if not built.exists():
                _build(folder, built, say)
    return EngineImage(built / "engine.qcow2", built / "vmlinuz", built / "initrd", key)


def built_image(key: str) -> Path | None:
    """The folder of the image with that key, where it is there: built here, or brought along."""
    named = os.environ.get(VARIABLE)
    folders = [subfolder("cache", "engine"), *([Path(named)] if named else [])]
    return next((folder / key for folder in folders if (folder / key).exists()), None)


def _build(folder: Path, built: Path, say: Say) -> None:
    base = folder / f"base-{recipe.base_key()}.tar"
    if not base.exists():
        say("Making the Debian base (once, about a minute)")
        write_base(base)
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as name:
        scratch = Path(name)
        tree = scratch / "tree"
        tree.mkdir()
        state = scratch / "fakeroot.state"
        say("Unpacking the base")
        run(["fakeroot", "-s", state, "--", "tar", "-C", tree, "--exclude=./dev/*", "-xf", base])
        _drop_boot_leftovers(tree)
        say("Placing the agent and the boot files")
        _unpack_modules(tree)
        _place_agent(tree)
        _place_boot_files(tree, scratch)
        say("Writing the disk")
        raw = scratch / "engine.raw"
        write_boot_disk(BootDisk(tree, state, recipe.DISK_SIZE, recipe.LABEL, recipe.UUID), raw)
        done = scratch / "done"
        done.mkdir()
        run(["qemu-img", "convert", "-O", "qcow2", raw, done / "engine.qcow2"])
        shutil.copy(tree / "boot/vmlinuz", done / "vmlinuz")
        shutil.copy(tree / "boot/initrd", done / "initrd")
        done.rename(built)


def _drop_boot_leftovers(tree: Path) -> None:
    for name in ("boot/System.map*", "boot/config-*", "var/cache/apt/*", "var/lib/apt/lists/*"):
        for path in tree.glob(name):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _unpack_modules(tree: Path) -> None:
    """Kernel modules without their xz: under emulation, unpacking at each boot takes seconds."""
    for packed in (tree / "lib/modules").rglob("*.ko.xz"):
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
    run(["depmod", "-b", tree, kernel_version(tree)])


def _place_agent(tree: Path) -> None:
    library = tree / "opt/imageport/lib/imageport"
    for source in recipe.agent_files_roots():
        target = library / source.relative_to(recipe.PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (library / "engine/__init__.py").touch()
    # Only of use when this Python is the engine's version too; else the engine compiles by itself.
    compileall.compile_dir(str(library), stripdir=str(tree), prependdir="/", quiet=1)


def _place_boot_files(tree: Path, scratch: Path) -> None:
    for name in ("init", "udhcpc"):
        target = tree / "opt/imageport" / name
        shutil.copy(recipe.FILES / name, target)
        target.chmod(0o755)
    grub = tree / "boot/grub"
    grub.mkdir()
    shutil.copy(recipe.FILES / "grub.cfg", grub / "grub.cfg")
    (grub / "grubenv").write_bytes(b"# GRUB Environment Block\n".ljust(1024, b"#"))
    (tree / "boot/vmlinuz").symlink_to(f"vmlinuz-{kernel_version(tree)}")
    layout = scratch / "initramfs"
    layout.mkdir()
    (tree / "boot/initrd").write_bytes(
        write_initramfs(tree, recipe.INITRAMFS_MODULES, recipe.FILES / "initramfs-init", layout)
    )
