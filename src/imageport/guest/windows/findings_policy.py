"""Findings about policies: what may not be installed, what may not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imageport.model.findings import Finding, Severity
from imageport.model.guest_facts import WindowsFacts

_POLICY_REMEDY: Final = "Take the master machine out of that policy, then take the image again."
_SIGNED_ONLY: Final = ("AllSigned", "Restricted")


def drivers(windows: WindowsFacts) -> Iterator[Finding]:
    """Restrictions on the installation of devices; what concerns a target is found with it."""
    policy = windows.driver_policy
    if policy.only_listed:
        yield Finding(
            "guest.drivers-forbidden",
            Severity.BLOCKER,
            "A group policy lets Windows install listed devices only: the target's disks and "
            "network would stay without drivers.",
            _POLICY_REMEDY,
            {"allowed": [*policy.allowed_ids, *policy.allowed_classes]},
        )
    elif policy.denied_ids or policy.denied_classes:
        yield Finding(
            "guest.driver-policy",
            Severity.WARNING,
            "A group policy forbids the installation of some devices.",
            _POLICY_REMEDY,
            {"denied": [*policy.denied_ids, *policy.denied_classes]},
        )


def powershell(windows: WindowsFacts) -> Iterator[Finding]:
    """Policies under which unsigned scripts do not run, or not as they were written."""
    policy = windows.script_policy
    if policy.by_group_policy and policy.execution_policy in _SIGNED_ONLY:
        yield Finding(
            "guest.powershell-policy",
            Severity.WARNING,
            f"Group policy sets PowerShell to {policy.execution_policy}: installers' and agents' "
            "own scripts may fail in the first boot.",
            _POLICY_REMEDY,
            {"policy": policy.execution_policy},
        )
    if policy.constrained:
        yield Finding(
            "guest.powershell-constrained",
            Severity.WARNING,
            "PowerShell runs in ConstrainedLanguage mode (__PSLockdownPolicy): installers' and "
            "agents' own scripts may fail in the first boot.",
            "Remove __PSLockdownPolicy from the master machine's environment.",
        )


def application_control(windows: WindowsFacts) -> Iterator[Finding]:
    """AppLocker or a code integrity policy."""
    policy = windows.script_policy
    kinds = [f"AppLocker ({', '.join(policy.app_locker)})"] if policy.app_locker else []
    kinds += ["a code integrity policy"] if policy.code_integrity else []
    if kinds:
        yield Finding(
            "guest.application-control",
            Severity.WARNING,
            f"{' and '.join(kinds)} decides what may run: drivers or first-boot work that it does "
            "not know may be stopped.",
            "Allow the target's drivers and agents in it, or take the master machine out of it.",
            {"kinds": kinds},
        )
