"""Where the agent keeps what must survive a handover's reboot: on the engine's own disk."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/var/lib/imageport")
COMMANDS = FOLDER / "commands"
DRIVERS = FOLDER / "drivers"
"""The driver library that the client sent, if any."""
COMPONENTS = FOLDER / "components"
"""The installers of Citrix's parts that the client sent, if any."""
COLLECTION = FOLDER / "collection.tar"
"""What the command `collect` made."""
