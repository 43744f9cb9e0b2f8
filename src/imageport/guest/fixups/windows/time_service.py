"""Where the time comes from: each cloud has a clock of its own beside the machine."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_SERVICE: Final = rf"{SERVICES}\W32Time"
_PARAMETERS: Final = rf"{_SERVICE}\Parameters"
_WINDOWS: Final = "time.windows.com,0x8"
"""Windows' own setting."""
_SERVERS: Final = {
    Target.AZURE: _WINDOWS,
    Target.AWS: "169.254.169.123,0x9",
    Target.GCP: "metadata.google.internal,0x1",
}
"""Flags: 1 polls at an interval of its own, 8 asks as a client ("w32tm", Microsoft). Addresses:
"Set the time" (AWS), "Configure NTP" (Google). Azure's machines get the host's time through an
integration service, and Microsoft's server is what its page names besides."""
_ELSEWHERE_UNKNOWN: Final = ("169.254.169.123", "metadata.google.internal")
_AUTOMATIC: Final = 2


class TimeService(FixUp):
    """A member of a domain keeps its time from there (`NT5DS`)."""

    name = "time-service"
    family = OsFamily.WINDOWS
    order = 74
    watches = (rf"{_SERVICE}\Start", rf"{_PARAMETERS}\Type", rf"{_PARAMETERS}\NtpServer")

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """The cloud's server; a server that only another cloud knows is replaced."""
        seen = task.windows.registry.get(self.watches[2], "")
        server = _SERVERS.get(task.target.target)
        if server is None and any(name in seen for name in _ELSEWHERE_UNKNOWN):
            server = _WINDOWS
        if server is None or task.windows.domain.joined:
            return ()
        what = f"time from {server.partition(',')[0]}"
        return (
            SetValue(_SERVICE, Value.from_dword("Start", _AUTOMATIC), "the time service runs"),
            SetValue(_PARAMETERS, Value.from_text("Type", "NTP"), what),
            SetValue(_PARAMETERS, Value.from_text("NtpServer", server), what),
        )
