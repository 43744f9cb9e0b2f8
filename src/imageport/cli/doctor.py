"""`imageport doctor`."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.screen import OUT, print_json
from imageport.engine.image import recipe
from imageport.engine.image.bootdisk import SHIM, SIGNED_GRUB
from imageport.engine.image.build import built_image
from imageport.engine.image.grub import GRUB_PC
from imageport.host.home import home
from imageport.host.run import tool_environment
from imageport.host.user_ids import ENOUGH, has_own_ids
from imageport.platforms.local.accel import QEMU, kvm_may_work

HELP = """Say what this computer has and lacks, and how to get it.

Example:

  imageport doctor
"""

TOOLS = {QEMU: "qemu-system-x86", "qemu-img": "qemu-utils"}
"""What jobs run, and the Debian packages that have it."""
FILES = {Path("/usr/share/OVMF/OVMF_CODE_4M.fd"): "ovmf"}

BUILDING_TOOLS = {
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
"""What the engine image is built with; of no use where there is one."""
BUILDING_FILES = {
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
    folder = built_image(recipe.image_key())
    rows = _of_packages(TOOLS, FILES)
    ids = f"{ENOUGH} in /etc/subuid and /etc/subgid (usermod --add-subuids, --add-subgids)"
    building = [
        *_of_packages(BUILDING_TOOLS, BUILDING_FILES),
        _Row("user ids of this user's own", has_own_ids(), ids),
    ]
    rows += [replace(row, needed=folder is None) for row in building]
    built = str(folder) if folder else "imageport engine build"
    rows.append(_Row("engine image", folder is not None, built, needed=False))
    kvm = "may work, is tried once" if kvm_may_work() else "not usable here: emulation, slower"
    rows.append(_Row("KVM", kvm_may_work(), kvm, needed=False))
    free = shutil.disk_usage(home()).free
    rows.append(_Row(f"space in {home()}", free > 4 << 30, f"{free >> 30} GiB free"))
    return rows


def _of_packages(tools: dict[str, str], files: dict[Path, str]) -> list[_Row]:
    path = tool_environment({})["PATH"]
    found = {tool: bool(shutil.which(tool, path=path)) for tool in tools}
    rows = [_Row(tool, found[tool], f"Debian package {tools[tool]}") for tool in tools]
    return rows + [_Row(str(f), f.exists(), f"Debian package {name}") for f, name in files.items()]
