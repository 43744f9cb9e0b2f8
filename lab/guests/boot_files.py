"""The kernel and initramfs of the phony Windows: a kernel with drivers for all controllers, Python,
libhivex and the NT boot emulator."""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imageport.host.run import run
from lab.guests.cache import SOURCES, cached, digest
from lab.guests.debs import kernel_and, kernel_version

_USERLAND: Final = (
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "libffi8",
    "libexpat1",
    "zlib1g",
    "libhivex0",
    "busybox-static",
)
_MODULES: Final = """
    vmw_pvscsi virtio_scsi virtio_blk ahci ata_piix ata_generic sd_mod hv_vmbus hv_storvsc
    xen-blkfront vmxnet3 virtio_net ena gve hv_netvsc button evdev
    efivarfs ntfs3 vfat nls_cp437 nls_ascii nls_iso8859-1
"""
"""NVMe, virtio-pci and Xen's front ends without files are built into the kernel."""
_LIBRARIES: Final = (
    "lib/x86_64-linux-gnu/libc.so.6",
    "lib/x86_64-linux-gnu/libm.so.6",
    "lib/x86_64-linux-gnu/libz.so.1",
    "lib/x86_64-linux-gnu/libexpat.so.1",
    "usr/lib/x86_64-linux-gnu/libffi.so.8",
    "usr/lib/x86_64-linux-gnu/libhivex.so.0",
    "usr/lib/x86_64-linux-gnu/gconv/ISO8859-1.so",
    "usr/lib/x86_64-linux-gnu/gconv/UTF-16.so",
    "usr/lib/x86_64-linux-gnu/gconv/gconv-modules",
    "usr/lib/x86_64-linux-gnu/gconv/gconv-modules.d/gconv-modules-extra.conf",
    "lib64/ld-linux-x86-64.so.2",
)
_STDLIB: Final = Path("usr/lib/python3.11")
_STDLIB_FILES: Final = """
    encodings/__init__ encodings/aliases encodings/utf_8 encodings/ascii encodings/latin_1
    encodings/utf_16 encodings/utf_16_le collections/__init__ collections/abc ctypes/__init__
    ctypes/_endian importlib/__init__ importlib/_abc importlib/_bootstrap
    importlib/_bootstrap_external importlib/machinery importlib/util
    re/__init__ re/_casefix re/_compiler re/_constants re/_parser urllib/__init__ urllib/parse
    __future__ _collections_abc _sitebuiltins _weakrefset abc ast bisect codecs contextlib copy
    copyreg dataclasses dis enum errno fnmatch functools genericpath heapq inspect io ipaddress
    keyword linecache locale ntpath opcode operator os pathlib platform posixpath random reprlib
    runpy pkgutil selectors shutil signal site stat string struct subprocess textwrap threading
    token tokenize traceback types typing uuid warnings weakref
"""
HIVE_SOURCES: Final = (
    "src/imageport/guest/windows/hive.py",
    "src/imageport/guest/windows/registry_value.py",
    "src/imageport/model/errors.py",
)
_EMULATOR: Final = "lab/guests/phony_nt"
_INIT: Final = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
exec /usr/bin/python3.11 -I -S -B -m phony_nt </dev/console >/dev/console 2>&1
"""
_POWER_BUTTON: Final = """#!/bin/busybox sh
/bin/busybox poweroff -f
"""
"""Run by busybox's acpid, by its default table; the volume is not mounted at the logon screen."""
_LEASE: Final = """#!/bin/busybox sh
[ "$1" = bound ] || exit 0
/bin/busybox ip address add "$ip/${mask:-24}" dev "$interface"
echo "$ip" > /tmp/address
"""
_FOLDERS: Final = """
    bin sbin dev proc sys tmp usr/bin lib/modules etc/acpi/PWRF var/log var/run
"""
_SCRIPTS: Final = {"init": _INIT, "lease.sh": _LEASE, "etc/acpi/PWRF/00000080": _POWER_BUTTON}


def boot_files() -> Path:
    """A cached directory with the files `kernel` and `initramfs`."""
    emulator = [SOURCES / name for name in HIVE_SOURCES]
    emulator += (SOURCES / _EMULATOR).glob("*.py")
    key = digest({}, [Path(__file__), *emulator])
    return cached(f"boot-files/{key}", _build)


def _build(made: Path) -> None:
    made.mkdir()
    tree = made.with_name("initramfs")
    debian = kernel_and(_USERLAND)
    version = kernel_version(debian)
    _skeleton(tree)
    _modules(tree, debian, version)
    for name in _LIBRARIES:
        _copy(debian / name, tree / name)
    shutil.copy2(debian / "bin/busybox", tree / "bin/busybox")
    shutil.copy2(debian / "usr/bin/python3.11", tree / "usr/bin/python3.11")
    _python(tree, debian)
    run([tree / "bin/busybox", "depmod", "-b", tree, version])
    shutil.copyfile(debian / f"boot/vmlinuz-{version}", made / "kernel")
    _pack(tree, made / "initramfs")


def _skeleton(tree: Path) -> None:
    for name in _FOLDERS.split():
        (tree / name).mkdir(parents=True)
    # Where the kernel looks for whatever it finds missing: a character set, say.
    (tree / "sbin/modprobe").symlink_to("/bin/busybox")
    for name, text in _SCRIPTS.items():
        (tree / name).write_text(text)
        (tree / name).chmod(0o755)


def _modules(tree: Path, kernel: Path, version: str) -> None:
    """Copy `_MODULES` and all that they need, uncompressed: the initramfs is compressed as one."""
    source, target = kernel / "lib/modules" / version, tree / "lib/modules" / version
    files = {_module_name(file.name): file for file in source.rglob("*.ko.xz")}
    for name in sorted(_with_dependencies(_MODULES.split(), files)):
        place = target / files[name].relative_to(source).with_suffix("")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(lzma.decompress(files[name].read_bytes()))
    for name in ("modules.builtin", "modules.order"):
        shutil.copyfile(source / name, target / name)


def _with_dependencies(names: list[str], files: dict[str, Path]) -> set[str]:
    wanted: set[str] = set()
    waiting = [_module_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in wanted and name in files:
            wanted.add(name)
            waiting += _depends(lzma.decompress(files[name].read_bytes()))
    return wanted


def _depends(module: bytes) -> Iterator[str]:
    """The names in the `depends=` field of the module's .modinfo section."""
    start = module.find(b"\0depends=")
    listed = module[start + 9 : module.index(b"\0", start + 9)] if start >= 0 else b""
    return (_module_name(name) for name in listed.decode().split(",") if name)


def _module_name(file_name: str) -> str:
    return file_name.split(".", 1)[0].replace("-", "_")


def _python(tree: Path, userland: Path) -> None:
    """The standard library's needed part, imageport's hive reader and the emulator, compiled."""
    library = tree / _STDLIB
    for name in _STDLIB_FILES.split():
        source = userland / _STDLIB / f"{name}.py"
        if source.exists():
            _copy(source, library / f"{name}.py")
    extension = "lib-dynload/_ctypes.cpython-311-x86_64-linux-gnu.so"
    _copy(userland / _STDLIB / extension, library / extension)
    for source_name in HIVE_SOURCES:
        module = Path(source_name).relative_to("src")
        _copy(SOURCES / source_name, library / module)
        for package in module.parents[:-1]:
            (library / package / "__init__.py").touch()
    for file in (SOURCES / _EMULATOR).glob("*.py"):
        _copy(file, library / "phony_nt" / file.name)
    python = userland / "usr/bin/python3.11"
    run([python, "-I", "-m", "compileall", "-q", "-b", "-d", "/", library])
    for source in library.rglob("*.py"):
        source.unlink()
    _check_imports(python, tree)


def _check_imports(python: Path, tree: Path) -> None:
    """Fail the build, not the boot, when `_STDLIB_FILES` lacks a module."""
    paths = [f"/{_STDLIB}", f"/{_STDLIB}/lib-dynload"]
    program = (
        f"import sys; sys.path[:] = {[f'{tree}{path}' for path in paths]}; import phony_nt.boot"
    )
    run([python, "-I", "-S", "-B", "-c", program])


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    shutil.copymode(source, target)


def _pack(tree: Path, made: Path) -> None:
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    archive = made.with_name("archive")
    options = ("--quiet", "-0", "-H", "newc", "--reproducible", "-R", "0:0")
    run(
        ["cpio", "-o", *options, "-F", archive],
        stdin="".join(f"{name}\0" for name in names),
        cwd=tree,
    )
    run(["zstd", "-q", "-19", "-T2", archive, "-o", made])
