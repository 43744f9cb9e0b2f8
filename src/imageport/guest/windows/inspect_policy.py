r"""Group policy and local policy that limit what may be installed and what may run."""

from __future__ import annotations

from typing import Final

from imageport.guest.guest import Guest
from imageport.guest.windows.places import ENVIRONMENT, POLICIES
from imageport.guest.windows.registry import Registry
from imageport.model.windows_facts import DriverPolicy, ScriptPolicy

_RESTRICTIONS: Final = rf"{POLICIES}\DeviceInstall\Restrictions"
"""Values switch a list on, subkeys of the same name hold it (DeviceInstallation.admx)."""
_SHELL: Final = r"SOFTWARE\Microsoft\PowerShell\1\ShellIds\Microsoft.PowerShell"
"""Where `Set-ExecutionPolicy -Scope LocalMachine` writes."""
_APP_LOCKER: Final = rf"{POLICIES}\SrpV2"
_AUDITED: Final = 0
"""Rules without an `EnforcementMode` are enforced."""
_CODE_INTEGRITY: Final = r"Windows\System32\CodeIntegrity\SiPolicy.p7b"
"""A policy of the single-policy format. The `.cip` files of newer Windows are no sign: it brings
some of its own."""
_LOCKED_DOWN: Final = 4
"""The bit of `__PSLockdownPolicy` for which PowerShell runs in ConstrainedLanguage mode."""


def driver_policy(registry: Registry) -> DriverPolicy:
    """What group policy says of the installation of devices."""
    key = registry.key(_RESTRICTIONS)

    def on(name: str) -> bool:
        return bool(key and key.number(name))

    def listed(name: str) -> tuple[str, ...]:
        found = key.key(name) if key and on(name) else None
        texts = (value.text for value in found.values()) if found else ()
        return tuple(text for text in texts if text)

    return DriverPolicy(
        only_listed=on("DenyUnspecified"),
        allowed_ids=listed("AllowDeviceIDs"),
        allowed_classes=listed("AllowDeviceClasses"),
        denied_ids=listed("DenyDeviceIDs"),
        denied_classes=listed("DenyDeviceClasses"),
        administrators_exempt=on("AllowAdminInstall"),
    )


def script_policy(guest: Guest, registry: Registry) -> ScriptPolicy:
    """PowerShell's policy, group policy before the machine's own, and application control."""
    group, shell = registry.key(rf"{POLICIES}\PowerShell"), registry.key(_SHELL)
    ruled = group is not None and group.number("EnableScripts") is not None
    if group and ruled:
        # With scripts disabled there is no ExecutionPolicy value: nothing but typed commands runs.
        policy = group.text("ExecutionPolicy") if group.number("EnableScripts") else "Restricted"
    else:
        policy = shell.text("ExecutionPolicy") if shell else None
    guard = registry.key(rf"{POLICIES}\DeviceGuard")
    deployed = bool(guard and guard.number("DeployConfigCIPolicy"))
    return ScriptPolicy(
        execution_policy=policy,
        by_group_policy=ruled,
        constrained=_constrained(registry),
        app_locker=tuple(
            key.name
            for key in registry.subkeys(_APP_LOCKER)
            if key.number("EnforcementMode") != _AUDITED and key.subkeys()
        ),
        code_integrity=deployed or guest.find(_CODE_INTEGRITY) is not None,
    )


def _constrained(registry: Registry) -> bool:
    environment = registry.key(ENVIRONMENT)
    value = environment.text("__PSLockdownPolicy") if environment else None
    return bool(value and value.isdecimal() and int(value) & _LOCKED_DOWN)
