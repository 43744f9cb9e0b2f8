"""Guest tools of the source platform are removed; agents of other clouds are pointed out."""

from __future__ import annotations

from imageport.guest.errors import CommandError
from imageport.guest.fixup import FixUp, Task
from imageport.guest.linux.edits import Link
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


class GuestTools(FixUp):
    """Removes packages by dpkg; where another package needs them, their services are masked."""

    name = "guest-tools"
    family = OsFamily.LINUX
    order = 40

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """A cloud target without its agent, and agents of another cloud."""
        present = {product.name for product in task.inspection.products}
        wanted = _AGENTS.get(task.target.target, ())
        found = [_foreign_agent(tool) for tool in _foreign(task, "agent")]
        if wanted and not present & set(wanted):
            found.append(_no_agent(task.target.target, wanted))
        return tuple(found)

    def plan(self, task: Task) -> tuple[Change, ...]:
        """One change for each package."""
        return tuple(
            Change(
                self.name, f"remove {tool.vendor}'s guest tools", tool.package, "installed", None
            )
            for tool in _foreign(task, "guest-tools")
        )

    def apply(self, session: Session, task: Task) -> None:
        """Purge the packages in the guest."""
        for tool in _foreign(task, "guest-tools"):
            if session.guest.find(tool.evidence) is None:
                continue
            names = [n for n in task.linux.packages if n.startswith(tool.package)]
            try:
                if not names:
                    raise CommandError(program="dpkg", status=1, output=f"no {tool.package}")
                session.chroot.run(["dpkg", "--purge", *names])
            except CommandError:
                for mask in _masks(tool):
                    mask.apply(session)

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """True when the tools are gone, or can no longer start."""
        return tuple(self._check(session, tool) for tool in _foreign(task, "guest-tools"))

    def _check(self, session: Session, tool: Tool) -> Check:
        gone = session.guest.find(tool.evidence) is None
        masked = all(mask.check(session, self.name).passed for mask in _masks(tool))
        seen = "gone" if gone else "its services are masked" if masked else "still there"
        return Check(self.name, f"remove {tool.vendor}'s guest tools", gone or masked, seen)


def _foreign(task: Task, kind: str) -> tuple[Tool, ...]:
    present = {product.name for product in task.inspection.products}
    return tuple(
        tool
        for tool in TOOLS
        if tool.kind == kind and tool.package in present and task.target.target not in tool.home
    )


def _masks(tool: Tool) -> tuple[Link, ...]:
    return tuple(
        Link(f"/etc/systemd/system/{unit}", "/dev/null", f"mask {unit}") for unit in tool.units
    )


def _foreign_agent(tool: Tool) -> Finding:
    return Finding(
        "guest.foreign-agent",
        Severity.WARNING,
        f"{tool.package} ({tool.vendor}) is installed and has nothing to talk to on the target.",
        f"Remove {tool.package} from the master machine if it delays the start.",
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
