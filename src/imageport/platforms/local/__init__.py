"""The local platform: QEMU machines on this computer."""
