"""Azure: the firewall lets WinRM and ping in, as its platform's tools expect."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.windows.firewall import RULES, open_group, open_rule
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_NAMES: Final = ("WINRM-HTTP-In-TCP", "FPS-ICMP4-ERQ-In")
"""Ids of Windows' own rules, the same in every language."""
_WINRM: Final = "@FirewallAPI.dll,-30267"


class RemoteManagement(FixUp):
    """ "Prepare a Windows VHD" (Azure). WinRM itself stays as it is: a rule starts no service, and
    its listener asks for a password; the public profile's rule stays closed."""

    name = "remote-management"
    family = OsFamily.WINDOWS
    order = 41
    watches = tuple(rf"{RULES}\{name}" for name in _NAMES)

    def applies(self, task: Task) -> bool:
        """Azure only."""
        return task.target.target is Target.AZURE

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """The rules that are there."""
        rules = (open_rule(task, name, f"the firewall lets {name} in") for name in _NAMES)
        return tuple(rule for rule in rules if rule)

    def steps(self, task: Task) -> tuple[Step, ...]:
        """Where the rules were deleted there is nothing to open, and nothing lost."""
        return (Step("remote-management", open_group(_WINRM), required=False),)
