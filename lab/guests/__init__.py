"""Master images for tests: a bootable phony Windows and a real Debian."""

from lab.guests.driver_library import driver_library
from lab.guests.linux import LinuxMaster
from lab.guests.masters import export, master
from lab.guests.windows_spec import Agent, Product, State, Tools, Vda, WindowsMaster

__all__ = [
    "Agent",
    "LinuxMaster",
    "Product",
    "State",
    "Tools",
    "Vda",
    "WindowsMaster",
    "driver_library",
    "export",
    "master",
]
