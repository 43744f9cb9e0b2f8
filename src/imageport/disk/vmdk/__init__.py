"""VMDK, the format of VMware."""
