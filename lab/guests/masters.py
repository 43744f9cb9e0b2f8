"""One way to a master image: its specification in, the path of a cached qcow2 out."""

from __future__ import annotations

from pathlib import Path

from imageport.host.run import run
from imageport.model.target import DiskFormat
from lab.guests.linux import LinuxMaster, linux_master
from lab.guests.windows import windows_master
from lab.guests.windows_spec import WindowsMaster

_QEMU_FORMATS = {
    DiskFormat.RAW: ("raw",),
    DiskFormat.VHD: ("vpc", "-o", "subformat=dynamic,force_size=on"),
    DiskFormat.VHD_FIXED: ("vpc", "-o", "subformat=fixed,force_size=on"),
    DiskFormat.VHDX: ("vhdx", "-o", "block_size=1M"),
    DiskFormat.VMDK: ("vmdk", "-o", "subformat=streamOptimized"),
    DiskFormat.QCOW2: ("qcow2",),
}


def master(spec: WindowsMaster | LinuxMaster) -> Path:
    """The cached qcow2 that `spec` describes, built when it is asked for the first time.

    It is shared: never open it for writing, make an overlay or a copy.
    """
    return windows_master(spec) if isinstance(spec, WindowsMaster) else linux_master(spec)


def export(image: Path, output: Path, disk_format: DiskFormat) -> None:
    """Write a copy of the qcow2 `image` to `output`; `output` appears when it is complete."""
    partial = output.with_name(f"{output.name}.partial")
    kind, *options = _QEMU_FORMATS[disk_format]
    try:
        run(["qemu-img", "convert", "-f", "qcow2", "-O", kind, *options, image, partial])
        partial.rename(output)
    finally:
        partial.unlink(missing_ok=True)
