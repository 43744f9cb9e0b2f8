r"""Where things lie in a Windows guest's registry, as a running Windows names them."""

from __future__ import annotations

from typing import Final

CONTROL: Final = r"SYSTEM\CurrentControlSet\Control"
SERVICES: Final = r"SYSTEM\CurrentControlSet\Services"
CLASSES: Final = rf"{CONTROL}\Class"
SESSION_MANAGER: Final = rf"{CONTROL}\Session Manager"
ENVIRONMENT: Final = rf"{SESSION_MANAGER}\Environment"
TCPIP: Final = rf"{SERVICES}\Tcpip\Parameters"
SETUP: Final = r"SYSTEM\Setup"
DATABASE: Final = r"SYSTEM\DriverDatabase"
VERSION: Final = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
CURRENT: Final = r"SOFTWARE\Microsoft\Windows\CurrentVersion"
UNINSTALL: Final = (
    rf"{CURRENT}\Uninstall",
    r"SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
)
POLICIES: Final = r"SOFTWARE\Policies\Microsoft\Windows"
SAVED_START: Final = "ImageportSavedStart"
"""Value in a service's key: its `Start` before a preparation disabled it."""
SAVED_FILTERS: Final = "ImageportSaved"
"""Before `UpperFilters` or `LowerFilters`: what a class's list was before a preparation."""
MEMORY: Final = rf"{SESSION_MANAGER}\Memory Management"
ROUTES: Final = rf"{TCPIP}\PersistentRoutes"
HOSTS: Final = r"Windows\System32\drivers\etc\hosts"
BOOT_MANAGER: Final = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
"""The boot store's object of the boot manager."""
EMS_SETTINGS: Final = "{0ce4991b-e6b3-4b16-b23c-5e0d9250e5d9}"
"""The boot store's object of the serial console's settings."""
