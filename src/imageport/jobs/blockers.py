"""What findings mean to a job: it is refused, has nothing to do, or goes on with a warning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

from imageport.jobs.errors import Blocked, NothingToDo, UpgradeBlocked
from imageport.jobs.report import Reporter
from imageport.model.findings import Finding, Severity
from imageport.model.job import MigrateRequest
from imageport.model.wishes import Operation

_NOTHING_TO_DO: Final = ("guest.pvs-there-already",)
_REFUSALS: Final[dict[Operation, type[Blocked]]] = {
    Operation.MIGRATE: Blocked,
    Operation.UPGRADE_PVS: UpgradeBlocked,
}


def refuse_blockers(
    findings: tuple[Finding, ...], request: MigrateRequest, reporter: Reporter
) -> None:
    """Raises Blocked when anything would make the job fail, and NothingToDo; warnings are said."""
    blockers = [found for found in findings if found.severity is Severity.BLOCKER]
    if blockers:
        raise _REFUSALS[request.operation](
            target=str(request.target),
            reasons=" ".join(found.sentence for found in blockers),
            remedies=" ".join(dict.fromkeys(found.remedy for found in blockers)),
            findings=[asdict(found) for found in blockers],
        )
    idle = nothing_to_do(findings)
    if idle:
        raise NothingToDo(reason=idle.sentence, finding=asdict(idle))
    for found in findings:
        if found.severity is Severity.WARNING:
            reporter.say(f"Warning: {found.sentence} {found.remedy}")


def nothing_to_do(findings: Iterable[Finding]) -> Finding | None:
    """The finding that says that the image is already as it was to become."""
    return next((found for found in findings if found.code in _NOTHING_TO_DO), None)
