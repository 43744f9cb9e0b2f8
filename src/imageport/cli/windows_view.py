"""What an inspection of a Windows image says, as rows of a report."""

from __future__ import annotations

from collections.abc import Iterator

from imageport.model.guest_facts import WindowsFacts
from imageport.model.windows_facts import SetupState, WindowsState

Rows = Iterator[tuple[str, str]]
_NONE = "none"


def windows_rows(facts: WindowsFacts) -> Rows:
    """Label and text of each row; a fact that says nothing has none."""
    yield from _release(facts)
    yield from _boot(facts)
    yield from _software(facts)
    yield from _membership(facts)
    yield "State", ", ".join(_state(facts.state)) or "complete, nothing pending"
    for file in facts.page_files:
        sizes = f", {file.initial} to {file.maximum} MiB" if file.maximum else ""
        elsewhere = "" if file.drive_here else ", on another disk"
        yield "Page file", f"{file.path}{sizes}{elsewhere}"
    yield from _policies(facts)


def _release(facts: WindowsFacts) -> Rows:
    release = facts.release
    revision = "" if release.update_revision is None else f".{release.update_revision}"
    kind = release.installation_type or "unknown installation"
    yield "Build", f"{release.build}{revision}, {release.edition or 'unknown edition'}, {kind}"
    yield "Control set", facts.control_set


def _boot(facts: WindowsFacts) -> Rows:
    for entry in facts.boot_entries:
        notes = ", default" if entry.default else ""
        notes += ", from a VHD file" if entry.from_vhd else ""
        yield "Boot entry", f"{entry.description or entry.identity}: {entry.program}{notes}"
    yield "Boot-start", ", ".join(facts.boot_start) or _NONE
    for filters in (each for each in facts.class_filters if each.drivers):
        drivers = ", ".join(filters.drivers)
        yield "Class filters", f"{filters.device_class} {filters.value}: {drivers}"
    for package in facts.driver_packages:
        yield "Driver package", f"{package.inf} ({package.provider or 'unknown provider'})"


def _software(facts: WindowsFacts) -> Rows:
    for agent in facts.agents:
        yield "Agent", f"{agent.name} {agent.version or ''}".strip()
    parts = [f"{each.part} {each.version or ''}".strip() for each in facts.citrix]
    yield "Citrix", ", ".join(parts) or _NONE
    if facts.controllers:
        yield "Controllers", ", ".join(facts.controllers)
    yield "Antivirus", ", ".join(facts.antivirus) or "Windows' own"


def _membership(facts: WindowsFacts) -> Rows:
    domain = facts.domain
    member = f"{domain.name or 'joined'} as {domain.computer_account or 'unknown'}"
    yield "Domain", member if domain.joined else _NONE
    if domain.entra_tenant:
        yield "Entra ID", domain.entra_tenant


def _state(state: WindowsState) -> Iterator[str]:
    if state.setup is not SetupState.COMPLETE:
        yield f"setup {state.setup}"
    if state.pending_updates:
        yield "updates half installed"
    if state.pending_restart:
        yield "waits for a restart"
    if state.hibernation:
        yield "fast startup on" if state.fast_startup else "hibernation on"
    if state.compact_os:
        yield "CompactOS"
    if state.portable:
        yield "Windows To Go"


def _policies(facts: WindowsFacts) -> Rows:
    drivers, scripts = facts.driver_policy, facts.script_policy
    denied = (*drivers.denied_ids, *drivers.denied_classes)
    if drivers.only_listed:
        yield "Driver policy", "listed devices only"
    elif denied:
        yield "Driver policy", f"denied: {', '.join(denied)}"
    if scripts.execution_policy:
        by = " (group policy)" if scripts.by_group_policy else ""
        yield "PowerShell", f"{scripts.execution_policy}{by}"
    if scripts.constrained:
        yield "PowerShell", "ConstrainedLanguage"
    if scripts.app_locker:
        yield "AppLocker", ", ".join(scripts.app_locker)
    if scripts.code_integrity:
        yield "Code integrity", "a policy of its own"
