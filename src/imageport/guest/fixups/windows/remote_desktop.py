"""Remote Desktop on, where the platform has no console to log on at, or where it is asked for."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.firewall import RULES, open_group, open_rule
from imageport.guest.windows.places import CONTROL, SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import CLOUDS, Target

_TERMINAL: Final = rf"{CONTROL}\Terminal Server"
_LISTENER: Final = rf"{_TERMINAL}\WinStations\RDP-Tcp"
_POLICY: Final = r"SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
_SERVICE: Final = rf"{SERVICES}\TermService"
_RULE_NAMES: Final = ("RemoteDesktop-UserMode-In-TCP", "RemoteDesktop-UserMode-In-UDP")
_GROUP: Final = "@FirewallAPI.dll,-28752"
_CERTIFICATE: Final = "SSLCertificateSHA1Hash"
_VALUES: Final = (
    (_TERMINAL, "fDenyTSConnections", 0),
    (_LISTENER, "PortNumber", 3389),
    (_LISTENER, "LanAdapter", 0),
    (_LISTENER, "UserAuthentication", 1),
    (_LISTENER, "fAllowSecProtocolNegotiation", 1),
    (_LISTENER, "KeepAliveTimeout", 1),
    (_LISTENER, "SecurityLayer", 1),
    (_LISTENER, "MinEncryptionLevel", 3),
)
"""Of "Prepare a Windows VHD" (Azure): every adapter, network level authentication, and a security
layer that client and server agree on. High encryption is what Google's images have."""
_TLS: Final = 2
"""Google's images: TLS only."""


class RemoteDesktop(FixUp):
    """Registry, policy and firewall."""

    name = "remote-desktop"
    family = OsFamily.WINDOWS
    order = 40
    watches = (
        *(rf"{key}\{name}" for key, name, _ in _VALUES),
        rf"{_LISTENER}\{_CERTIFICATE}",
        rf"{_POLICY}\fDenyTSConnections",
        rf"{_SERVICE}\Start",
        *(rf"{RULES}\{name}" for name in _RULE_NAMES),
    )

    def applies(self, task: Task) -> bool:
        """Clouds, and where it is asked for."""
        return task.target.target in CLOUDS or task.options.enable_rdp

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """What has to be so; a policy and a disabled service only where they are in the way."""
        rules = (open_rule(task, name, "the firewall lets it in") for name in _RULE_NAMES)
        return (*self._listener(task), *self._obstacles(task), *(rule for rule in rules if rule))

    def steps(self, task: Task) -> tuple[Step, ...]:
        """The firewall's rules once more, by its own tool."""
        return (Step("remote-desktop", open_group(_GROUP)),)

    def _listener(self, task: Task) -> list[Edit]:
        what = "Remote Desktop is on"
        values = {(key, name): number for key, name, number in _VALUES}
        if task.target.target is Target.GCP:
            values[_LISTENER, "SecurityLayer"] = _TLS
        return [
            SetValue(key, Value.from_dword(name, number), what)
            for (key, name), number in values.items()
        ]

    def _obstacles(self, task: Task) -> list[Edit]:
        seen = task.windows.registry
        edits: list[Edit] = []
        if rf"{_POLICY}\fDenyTSConnections" in seen:
            allowed = Value.from_dword("fDenyTSConnections", 0)
            edits.append(SetValue(_POLICY, allowed, "no policy against Remote Desktop"))
        if seen.get(rf"{_SERVICE}\Start") == "dword:4":
            edits.append(SetValue(_SERVICE, Value.from_dword("Start", 3), "its service may start"))
        before = seen.get(rf"{_LISTENER}\{_CERTIFICATE}")
        if before:
            what = "the listener makes a certificate of its own"
            edits.append(DropValue(_LISTENER, _CERTIFICATE, what, before))
        return edits
