"""Remote Desktop on, where the platform has no console to log on at (clouds)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.session import Session
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import Change, Check, OsFamily
from imageport.model.target import Target

_TERMINAL: Final = r"SYSTEM\CurrentControlSet\Control\Terminal Server"
_LISTENER: Final = rf"{_TERMINAL}\WinStations\RDP-Tcp"
_POLICY: Final = r"SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
_SERVICE: Final = r"SYSTEM\CurrentControlSet\Services\TermService"
_RULES: Final = (
    r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
)
_RULE_NAMES: Final = ("RemoteDesktop-UserMode-In-TCP", "RemoteDesktop-UserMode-In-UDP")
_CLOUDS: Final = (Target.AZURE, Target.AWS, Target.GCP)
_FIREWALL: Final = (
    'netsh advfirewall firewall set rule group="@FirewallAPI.dll,-28752" new enable=Yes'
)
"""By resource, not by name: the group is called otherwise in every language."""
_VALUES: Final = (
    (_TERMINAL, "fDenyTSConnections", 0),
    (_LISTENER, "PortNumber", 3389),
    (_LISTENER, "LanAdapter", 0),
    (_LISTENER, "UserAuthentication", 1),
    (_LISTENER, "SecurityLayer", 1),
    (_LISTENER, "fAllowSecProtocolNegotiation", 1),
)


@dataclass(frozen=True, slots=True)
class _OpenRule:
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


class RemoteDesktop(FixUp):
    """Registry, policy and firewall."""

    name = "remote-desktop"
    family = OsFamily.WINDOWS
    order = 40
    watches = (
        *(rf"{key}\{name}" for key, name, _ in _VALUES),
        rf"{_POLICY}\fDenyTSConnections",
        rf"{_SERVICE}\Start",
        *(rf"{_RULES}\{name}" for name in _RULE_NAMES),
    )

    def applies(self, task: Task) -> bool:
        """Clouds only."""
        return task.target.target in _CLOUDS

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """What has to be so; a policy and a disabled service only where they are in the way."""
        seen = task.windows.registry
        what = "Remote Desktop is on"
        edits: list[Edit] = [
            SetValue(key, Value.from_dword(name, number), what) for key, name, number in _VALUES
        ]
        if rf"{_POLICY}\fDenyTSConnections" in seen:
            edits.append(SetValue(_POLICY, Value.from_dword("fDenyTSConnections", 0), what))
        if seen.get(rf"{_SERVICE}\Start") == "dword:4":
            edits.append(SetValue(_SERVICE, Value.from_dword("Start", 3), what))
        for name in _RULE_NAMES:
            rule = seen.get(rf"{_RULES}\{name}", "").removeprefix("sz:")
            if rule:
                opened = rule.replace("|Active=FALSE|", "|Active=TRUE|").replace(
                    "|Action=Block|", "|Action=Allow|"
                )
                why = "the firewall lets Remote Desktop in"
                edits.append(_OpenRule(SetValue(_RULES, Value.from_text(name, opened), why)))
        return tuple(edits)

    def steps(self, task: Task) -> tuple[Step, ...]:
        """The firewall's rules once more, by its own tool."""
        return (Step("remote-desktop", _FIREWALL),)
