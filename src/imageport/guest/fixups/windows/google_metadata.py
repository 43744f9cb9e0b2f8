"""Google Cloud's network: its metadata server by name, its MTU, its idle connections."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.windows.edits import SetValue, WriteFile
from imageport.guest.windows.places import HOSTS, TCPIP
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_NAME: Final = "metadata.google.internal"
_LINE: Final = f"169.254.169.254 {_NAME} metadata"
_KEEP_ALIVE: Final = 300_000
"""Milliseconds: Google's network forgets connections that are idle for ten minutes."""
_MTU: Final = (
    "for /f \"tokens=1,3\" %%i in ('netsh interface ipv4 show interfaces') do "
    'if "%%j"=="1500" netsh interface ipv4 set subinterface %%i mtu=1460 store=persistent'
)
"""By number, in whatever language netsh speaks; the loopback interface has another MTU."""


class GoogleMetadata(FixUp):
    """As Google's own images of Windows have it; elsewhere the name is taken out of `hosts`."""

    name = "google-metadata"
    family = OsFamily.WINDOWS
    order = 68
    watches = (rf"{TCPIP}\KeepAliveTime",)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """A line of `hosts`, and how often an idle connection is spoken on."""
        on_google = task.target.target is Target.GCP
        edits: list[Edit] = []
        text = _with_line(task.windows.hosts) if on_google else _without(task.windows.hosts)
        if text != task.windows.hosts:
            what = f"{_NAME} is known" if on_google else f"{_NAME} is not known here"
            edits.append(WriteFile(HOSTS, text.encode("latin-1"), what))
        if on_google:
            value = Value.from_dword("KeepAliveTime", _KEEP_ALIVE)
            edits.append(SetValue(TCPIP, value, "idle connections are kept alive"))
        return tuple(edits)

    def steps(self, task: Task) -> tuple[Step, ...]:
        """The MTU is an interface's, which Windows makes once its driver is there."""
        if task.target.target is not Target.GCP:
            return ()
        return (Step("mtu", _MTU, required=False),)


def _with_line(text: str) -> str:
    if any(_NAME in line.split() for line in text.splitlines()):
        return text
    start = text if not text or text.endswith("\n") else f"{text}\r\n"
    return f"{start}{_LINE}\r\n"


def _without(text: str) -> str:
    kept = (line for line in text.splitlines(keepends=True) if _NAME not in line.split())
    return "".join(kept)
