"""What QEMU calls the formats of disk images."""

from __future__ import annotations

from imageport.model.target import DiskFormat

QEMU_FORMATS = {
    DiskFormat.RAW: "raw",
    DiskFormat.VHD: "vpc",
    DiskFormat.VHD_FIXED: "vpc",
    DiskFormat.VHDX: "vhdx",
    DiskFormat.VMDK: "vmdk",
    DiskFormat.QCOW2: "qcow2",
}
