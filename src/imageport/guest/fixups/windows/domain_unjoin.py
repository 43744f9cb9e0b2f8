"""DomainUnjoin: the guest leaves its domain in its first boot."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import FixUp, Step, Task
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, OsFamily

_ASK: Final = (
    'for /f "delims=" %%c in (\'powershell -NoProfile -NonInteractive -Command '
    '"(Get-CimInstance Win32_ComputerSystem | Invoke-CimMethod -MethodName '
    "UnjoinDomainOrWorkgroup -Arguments @{FUnjoinOptions=[uint32]0}).ReturnValue\" 2^>nul') "
    'do set "code=%%c"'
)
_ASK_WITHOUT_POWERSHELL: Final = (
    'if not defined code for /f "tokens=2 delims==; " %%c in (\'wmic computersystem where '
    "\"name='%computername%'\" call UnjoinDomainOrWorkgroup FUnjoinOptions^=0 2^>nul "
    '^| findstr ReturnValue\') do set "code=%%c"'
)
"""Option 0 leaves the account in the domain as it is ("UnjoinDomainOrWorkgroup", Microsoft)."""
_SCRIPT: Final = (
    'set "code="',
    _ASK,
    _ASK_WITHOUT_POWERSHELL,
    "if not defined code exit /b 1",
    "rem 2692: it is no member any more.",
    'if "%code%"=="2692" exit /b 0',
    'if "%code%"=="0" exit /b 3010',
    "exit /b %code%",
)


class DomainUnjoin(FixUp):
    """Where a domain controller can be reached, leaving may delete the account that the master
    machine still uses: refused unless the machine is isolated, or the user says so."""

    name = "domain-unjoin"
    family = OsFamily.WINDOWS
    order = 66

    def applies(self, task: Task) -> bool:
        """A member that is to leave."""
        return task.options.domain_unjoin and task.windows.domain.joined

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """The guard."""
        if task.options.isolated or task.options.unjoin_anyway:
            return ()
        name = task.windows.domain.name or "its domain"
        return (
            Finding(
                "guest.unjoin-not-isolated",
                Severity.BLOCKER,
                f"DomainUnjoin could reach a controller of {name} and delete the account "
                f"{task.windows.domain.computer_account or 'of the machine'}, which the master "
                "machine uses.",
                "Isolate the machine that prepares the image, or say UnjoinAnyway if the master "
                "machine is not needed any more.",
                {"domain": task.windows.domain.name},
            ),
        )

    def plan(self, task: Task) -> tuple[Change, ...]:
        """One."""
        domain = task.windows.domain.name or "a domain"
        return (
            Change(self.name, "leaves its domain", "Win32_ComputerSystem", domain, "workgroup"),
        )

    def steps(self, task: Task) -> tuple[Step, ...]:
        """Only a running Windows can leave."""
        return (Step("domain-unjoin", "\n".join(_SCRIPT)),)
