"""Guest tools of another platform are removed, agents of another cloud do not start."""

from __future__ import annotations

from imageport.guest.errors import CommandError
from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.linux.edits import RemovePath, WriteText
from imageport.guest.linux.tools import TOOLS, Tool
from imageport.guest.session import Session
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, Check, OsFamily
from imageport.model.target import Target

_AGENTS = {
    Target.AZURE: ("walinuxagent", "cloud-init"),
    Target.AWS: ("cloud-init",),
    Target.GCP: ("google-guest-agent", "cloud-init"),
}
_DROP_IN = """\
# Written by imageport: this service belongs to a platform that the image was not prepared for.
[Unit]
ConditionPathExists=/run/imageport-at-home
"""
_REMOVE = """\
rpm --query {package} > /dev/null || exit 0
rpm --erase $(rpm --query --all '{package}*' --queryformat '%{{NAME}}\\n') ||
    echo 'kept, since another package needs it; its services do not start'
"""


class GuestTools(FixUp):
    """Removes packages by dpkg; what cannot be removed offline is kept from starting.

    rpm removes in the first boot, where its database and labels are the running system's. A
    condition in a drop-in, unlike a mask, leaves what the user has set up, and is told from it: on
    its own platform the agent starts again.
    """

    name = "guest-tools"
    family = OsFamily.LINUX
    order = 40
    watches = tuple(path for tool in TOOLS for path in tool.drop_ins)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """A cloud target without its agent, and agents of another cloud."""
        present = _present(task)
        wanted = _AGENTS.get(task.target.target, ())
        found = [_foreign_agent(tool) for tool in _foreign(task, "agent")]
        if wanted and not present & set(wanted):
            found.append(_no_agent(task.target.target, wanted))
        return tuple(found)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Services that may not start, and those that may again."""
        here = (tool for tool in TOOLS if tool.package in _present(task))
        back = [
            RemovePath(path, f"{tool.package} starts again")
            for tool in here
            if task.target.target in tool.home
            for path in tool.drop_ins
            if path in task.linux.paths
        ]
        return (*back, *(edit for tool in _kept(task) for edit in _stopped(tool)))

    def steps(self, task: Task) -> tuple[Step, ...]:
        """What rpm removes."""
        return tuple(
            Step(f"remove-{tool.package}", _REMOVE.format(package=tool.package))
            for tool in _foreign(task, "guest-tools")
            if task.linux.package_manager == "rpm"
        )

    def plan(self, task: Task) -> tuple[Change, ...]:
        """One change for each package that dpkg removes, then the services."""
        removed = tuple(
            Change(self.name, _what(tool), tool.package, "installed", None)
            for tool in _removable(task)
        )
        return (*removed, *super().plan(task))

    def apply(self, session: Session, task: Task) -> None:
        """Purge the packages in the guest; what another package needs may not start."""
        for tool in _removable(task):
            if session.guest.find(tool.evidence) is None:
                continue
            names = [name for name in task.linux.packages if name.startswith(tool.package)]
            try:
                session.chroot.run(["dpkg", "--purge", *names])
            except CommandError:
                for edit in _stopped(tool):
                    edit.apply(session)
        super().apply(session, task)

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """True when the tools are gone, or can no longer start."""
        removed = tuple(self._check(session, tool) for tool in _removable(task))
        return (*removed, *super().verify(session, task))

    def _check(self, session: Session, tool: Tool) -> Check:
        gone = session.guest.find(tool.evidence) is None
        stopped = all(edit.check(session, self.name).passed for edit in _stopped(tool))
        seen = "gone" if gone else "its services do not start" if stopped else "still there"
        return Check(self.name, _what(tool), gone or stopped, seen)


def _what(tool: Tool) -> str:
    return f"remove {tool.vendor}'s guest tools"


def _present(task: Task) -> set[str]:
    return {product.name for product in task.inspection.products}


def _foreign(task: Task, kind: str) -> tuple[Tool, ...]:
    present = _present(task)
    return tuple(
        tool
        for tool in TOOLS
        if tool.kind == kind and tool.package in present and task.target.target not in tool.home
    )


def _removable(task: Task) -> tuple[Tool, ...]:
    """Guest tools that dpkg has installed."""
    return tuple(t for t in _foreign(task, "guest-tools") if t.package in task.linux.packages)


def _kept(task: Task) -> tuple[Tool, ...]:
    """What may stay on the disk and has nothing to do there."""
    removable = _removable(task)
    every = (*_foreign(task, "guest-tools"), *_foreign(task, "agent"))
    return tuple(tool for tool in every if tool not in removable)


def _stopped(tool: Tool) -> tuple[WriteText, ...]:
    what = f"{tool.package} does not start"
    return tuple(WriteText(path, _DROP_IN, what) for path in tool.drop_ins)


def _foreign_agent(tool: Tool) -> Finding:
    return Finding(
        "guest.foreign-agent",
        Severity.INFO,
        f"{tool.package} ({tool.vendor}) has nothing to talk to on the target and will not start.",
        f"Remove {tool.package} from the master machine if it is not needed on any other platform.",
        {"package": tool.package},
    )


def _no_agent(target: Target, wanted: tuple[str, ...]) -> Finding:
    return Finding(
        "guest.no-agent",
        Severity.WARNING,
        f"None of {', '.join(wanted)} is installed: machines on {target} get no host name, "
        "user or key from the platform.",
        "Install one of them in the master machine if machines are to be provisioned by it.",
        {"wanted": list(wanted)},
    )
