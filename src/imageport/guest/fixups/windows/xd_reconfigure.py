"""XdReconfigure: the VDA's own setup gives it other controllers, ports or WEM servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imageport.guest.fixup import FixUp, Step, Task
from imageport.guest.windows.installer import program
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, OsFamily
from imageport.model.windows_facts import CitrixPart
from imageport.model.wishes import XdParameter

_TOOL: Final = r"%ProgramFiles%\Citrix\XenDesktopVdaSetup\XenDesktopVdaSetup.exe"
_WITH_VALUE: Final = (
    "controllers", "site_guid", "portnumber", "wem_agent_port", "wem_cached_data_sync_port",
    "wem_cloud_connectors", "wem_server",
)  # fmt: skip
_SWITCHES: Final = ("enable_hdx_ports",)
_SAFE: Final = re.compile(r"[A-Za-z0-9 ._,:{}\-]+")
"""What a batch file passes on as it is."""
_RESTART_NEEDED: Final = 3
"""The setup's own code ("Install VDAs using the command line", Citrix)."""


class XdReconfigure(FixUp):
    """Both ways to find a site, controllers and its GUID, exclude each other."""

    name = "xd-reconfigure"
    family = OsFamily.WINDOWS
    order = 65

    def applies(self, task: Task) -> bool:
        """Where it is asked for."""
        return bool(task.options.xd_reconfigure)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """What the tool would refuse, hours later."""
        details = list(_wrong(task.options.xd_reconfigure))
        if task.windows.component(CitrixPart.VDA) is None:
            details.append("the image has no VDA")
        return tuple(
            Finding(
                "guest.xd-reconfigure",
                Severity.BLOCKER,
                f"The VDA cannot be reconfigured: {detail}.",
                f"Known are {', '.join((*_WITH_VALUE, *_SWITCHES))}.",
            )
            for detail in details
        )

    def plan(self, task: Task) -> tuple[Change, ...]:
        """One for each parameter."""
        before = " ".join(task.windows.controllers) or None
        return tuple(
            Change(
                self.name,
                f"VDA: {each.name}",
                _TOOL,
                before if each.name == "controllers" else None,
                each.value or "on",
            )
            for each in task.options.xd_reconfigure
        )

    def steps(self, task: Task) -> tuple[Step, ...]:
        """One call of the tool."""
        words = ["/reconfigure", "/quiet", "/noreboot"]
        for each in task.options.xd_reconfigure:
            words.append(f"/{each.name}")
            if each.name in _WITH_VALUE:
                words.append(f'"{each.value.replace(",", " ")}"')
        command = program(_TOOL, " ".join(words), restart=True, restart_codes=(_RESTART_NEEDED,))
        return (Step("xd-reconfigure", command),)


def _wrong(parameters: tuple[XdParameter, ...]) -> Iterator[str]:
    names = [each.name for each in parameters]
    if {"controllers", "site_guid"} <= set(names):
        yield "controllers and site_guid exclude each other"
    for each in parameters:
        if each.name not in (*_WITH_VALUE, *_SWITCHES):
            yield f"{each.name} is no parameter of it"
        elif each.name in _WITH_VALUE and not _SAFE.fullmatch(each.value):
            yield f"{each.name} has the value {each.value!r}"
