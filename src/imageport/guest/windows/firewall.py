"""Rules of Windows' firewall, offline and in the first boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imageport.guest.fixup import Task
from imageport.guest.session import Session
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import Change, Check

RULES: Final = rf"{SERVICES}\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
"""A value each, named by the rule's id: `v2.31|Action=Allow|Active=FALSE|Dir=In|...|`
([MS-FASP] 2.2.20)."""


@dataclass(frozen=True, slots=True)
class OpenRule:
    """A firewall rule that is on. Windows may write it anew: only what matters is checked."""

    written: SetValue

    def change(self, task: Task, fixup: str) -> Change | None:
        """As for the value."""
        return self.written.change(task, fixup)

    def apply(self, session: Session) -> None:
        """As for the value."""
        self.written.apply(session)

    def check(self, session: Session, fixup: str) -> Check:
        """True when the rule is active and allows."""
        value = session.registry.value(self.written.key, self.written.value.name)
        text = (value.text if value else None) or ""
        on = "|Active=TRUE|" in text and "|Action=Allow|" in text
        return Check(fixup, self.written.what, on, text or "absent")


def open_rule(task: Task, name: str, what: str) -> OpenRule | None:
    r"""The rule `name` open; None when there is none. It must be watched (`RULES\name`)."""
    rule = task.windows.registry.get(rf"{RULES}\{name}", "").removeprefix("sz:")
    if not rule:
        return None
    opened = rule.replace("|Active=FALSE|", "|Active=TRUE|").replace(
        "|Action=Block|", "|Action=Allow|"
    )
    return OpenRule(SetValue(RULES, Value.from_text(name, opened), what))


def open_group(resource: str) -> str:
    """A command that opens a group of rules, named by resource: it has another name in every
    language."""
    return f'netsh advfirewall firewall set rule group="{resource}" new enable=Yes'
