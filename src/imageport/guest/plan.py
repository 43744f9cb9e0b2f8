"""Plans: what a preparation would change, and what stands in its way."""

from __future__ import annotations

from imageport.guest import fixups
from imageport.guest.fixup import FixUp, Task
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, Inspection, PrepareOptions
from imageport.model.target import TargetProfile


def plan(
    inspection: Inspection, target: TargetProfile, options: PrepareOptions
) -> tuple[Change, ...]:
    """Every change, in the order in which it would be made. Pure: no I/O."""
    task = Task(inspection, target, options)
    return tuple(change for each in applicable(task) for change in each.plan(task))


def findings(
    inspection: Inspection, target: TargetProfile, options: PrepareOptions
) -> tuple[Finding, ...]:
    """The inspection's findings, and those that only this target makes.

    Looks at the driver library of `options`, and at nothing else.
    """
    task = Task(inspection, target, options)
    chosen = applicable(task)
    per_target = (found for each in chosen for found in each.findings(task))
    return (*inspection.findings, *(per_target if chosen else (_no_such_work(task),)))


def applicable(task: Task) -> tuple[FixUp, ...]:
    """The fix-ups that have something to say, in order."""
    return fixups.applicable(task.inspection.family, task)


def _no_such_work(task: Task) -> Finding:
    family = task.inspection.family.capitalize()
    return Finding(
        "guest.operation-unsupported",
        Severity.BLOCKER,
        f"There is nothing in a {family} image that {task.options.operation} could change.",
        "Give the image of a Windows machine.",
        {"operation": str(task.options.operation), "family": str(task.inspection.family)},
    )
