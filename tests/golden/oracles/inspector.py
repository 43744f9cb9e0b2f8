"""virt-inspector: what libguestfs finds in an image, in a machine of its own.

libguestfs starts a kernel of this computer, which may have none (a container); it gets the
engine's. It also copies `/lib/modules`, which then is not there either: it appears to
virt-inspector alone, in a mount namespace.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from imageport.host.run import run
from lab.guests.cache import cached, digest
from lab.guests.debs import kernel_and, kernel_version

_WITH_MODULES: Final = Path(__file__).with_name("with-modules")


@dataclass(frozen=True, slots=True)
class Seen:
    """One operating system, in virt-inspector's words ("virt-inspector(1)")."""

    name: str
    distribution: str
    product: str
    version: str
    architecture: str
    hostname: str
    control_set: str | None
    root: str
    """UUID of the root's file system."""
    file_systems: frozenset[tuple[str, str]]
    """UUID and type of each that the system mounts."""
    applications: frozenset[str]


def inspected(image: Path, folder: Path) -> Seen:
    """What virt-inspector says of the only operating system in `image`; `folder` is scratch."""
    kernel = kernel_and(("kmod",))
    version = kernel_version(kernel)
    modules = cached(
        f"appliance/{digest({'kernel': kernel.name}, [Path(__file__)])}",
        lambda made: _modules(kernel, version, made),
    )
    done = subprocess.run(
        ["unshare", "--mount", _WITH_MODULES, modules / "lib", "virt-inspector", "-a", image],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LIBGUESTFS_CACHEDIR": str(folder.parent),
            "LIBGUESTFS_BACKEND": "direct",
            "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
            "SUPERMIN_KERNEL": str(kernel / f"boot/vmlinuz-{version}"),
            "SUPERMIN_KERNEL_VERSION": version,
            "SUPERMIN_MODULES": f"/lib/modules/{version}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (system,) = ElementTree.fromstring(done.stdout)  # noqa: S314 - a program of this computer
    return _seen(system)


def _modules(kernel: Path, version: str, made: Path) -> None:
    """Kernel modules with their index, which a package that is only unpacked does not have."""
    place = made / "lib/modules"
    place.mkdir(parents=True)
    run(["cp", "--archive", kernel / "lib/modules" / version, place])
    run(["depmod", "-b", made, version])


def _seen(system: ElementTree.Element) -> Seen:
    def text(name: str) -> str:
        return system.findtext(name) or ""

    file_systems = {
        each.get("dev", ""): (each.findtext("uuid") or "", each.findtext("type") or "")
        for each in system.findall("filesystems/filesystem")
    }
    return Seen(
        name=text("name"),
        distribution=text("distro"),
        product=text("product_name"),
        version=f"{text('major_version')}.{text('minor_version')}",
        architecture=text("arch"),
        hostname=text("hostname"),
        control_set=system.findtext("windows_current_control_set"),
        root=file_systems[text("root")][0],
        file_systems=frozenset(file_systems.values()),
        applications=frozenset(
            each.findtext("display_name") or each.findtext("name") or ""
            for each in system.findall("applications/application")
        ),
    )
