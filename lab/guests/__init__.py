"""Master images for tests: a bootable phony Windows and a real Debian."""

from lab.guests.debian_base import Flavour
from lab.guests.driver_library import driver_library
from lab.guests.linux import LinuxMaster
from lab.guests.linux_storage import Root
from lab.guests.masters import export, master
from lab.guests.windows_spec import Agent, MbrLayout, Product, State, Tools, Vda, WindowsMaster

__all__ = [
    "Agent",
    "Flavour",
    "LinuxMaster",
    "MbrLayout",
    "Product",
    "Root",
    "State",
    "Tools",
    "Vda",
    "WindowsMaster",
    "driver_library",
    "export",
    "master",
]
