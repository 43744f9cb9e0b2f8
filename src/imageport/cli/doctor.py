"""`imageport doctor`."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.screen import OUT, print_json
from imageport.engine.image import recipe
from imageport.engine.image.bootdisk import SHIM, SIGNED_GRUB
from imageport.engine.image.grub import GRUB_PC
from imageport.host.home import home, subfolder
from imageport.host.run import tool_environment
from imageport.host.user_ids import ENOUGH, has_own_ids
from imageport.platforms.local.accel import QEMU, kvm_may_work

HELP = """Say what this computer has and lacks, and how to get it.

Example:

  imageport doctor
"""

_TOOLS = {
    QEMU: "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "fakeroot": "fakeroot",
    "depmod": "kmod",
    "sgdisk": "gdisk",
    "mke2fs": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "grub-mkimage": "grub-common",
}
_FILES = {
    Path("/usr/share/OVMF/OVMF_CODE_4M.fd"): "ovmf",
    GRUB_PC: "grub-pc-bin",
    SHIM: "shim-signed",
    SIGNED_GRUB: "grub-efi-amd64-signed",
}


@dataclass(frozen=True, slots=True)
class _Row:
    what: str
    there: bool
    detail: str
    needed: bool = True


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help=HELP)(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """See HELP."""
    rows = _rows()
    healthy = all(row.there for row in rows if row.needed)
    if as_json:
        print_json({"healthy": healthy, "checks": [asdict(row) for row in rows]})
    else:
        for row in rows:
            mark = (
                "[green]ok[/]"
                if row.there
                else "[red]missing[/]"
                if row.needed
                else "[yellow]no[/]"
            )
            OUT.print(f"{mark:>18}  {row.what}: {row.detail}", soft_wrap=True, highlight=False)
    raise typer.Exit(0 if healthy else 1)


def _rows() -> list[_Row]:
    path = tool_environment({})["PATH"]
    rows = [
        _Row(tool, bool(shutil.which(tool, path=path)), f"Debian package {package}")
        for tool, package in _TOOLS.items()
    ]
    rows += [
        _Row(str(file), file.exists(), f"Debian package {name}") for file, name in _FILES.items()
    ]
    ids = f"{ENOUGH} in /etc/subuid and /etc/subgid (usermod --add-subuids, --add-subgids)"
    rows.append(_Row("user ids of this user's own", has_own_ids(), ids))
    folder = subfolder("cache", "engine", recipe.image_key()) if _engine_is_built() else None
    built = str(folder) if folder else "imageport engine build"
    rows.append(_Row("engine image", folder is not None, built, needed=False))
    kvm = "may work, is tried once" if kvm_may_work() else "not usable here: emulation, slower"
    rows.append(_Row("KVM", kvm_may_work(), kvm, needed=False))
    free = shutil.disk_usage(home()).free
    rows.append(_Row(f"space in {home()}", free > 4 << 30, f"{free >> 30} GiB free"))
    return rows


def _engine_is_built() -> bool:
    return (subfolder("cache", "engine") / recipe.image_key()).exists()
