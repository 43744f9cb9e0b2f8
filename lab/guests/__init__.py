"""Master images for tests: a bootable phony Windows and a real Debian."""

from lab.guests.driver_library import driver_library
from lab.guests.linux import LinuxMaster
from lab.guests.masters import export, master
from lab.guests.windows_spec import Product, State, Tools, WindowsMaster

__all__ = [
    "LinuxMaster",
    "Product",
    "State",
    "Tools",
    "WindowsMaster",
    "driver_library",
    "export",
    "master",
]
