"""qcow2, the format of QEMU and of Nutanix AHV."""
