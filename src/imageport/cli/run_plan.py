"""`imageport run --plan`: a dry run of each target that would be started, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from imageport.cli.run_view import LiveTargets, PlainTargets
from imageport.cli.screen import OUT, print_json
from imageport.cli.views import plan_view
from imageport.jobs.look import Look
from imageport.model.errors import RemoteError
from imageport.model.findings import Severity
from imageport.model.job import MigrateRequest
from imageport.model.service import JobStatus
from imageport.wire.documents import Job
from imageport.workflow.drive import Follower, dry_runs
from imageport.workflow.errors import JobForgotten
from imageport.workflow.plan import Step

_LOOK = TypeAdapter(Look)
_REQUEST = TypeAdapter(MigrateRequest)


def show_plans(
    follower: Follower,
    steps: Sequence[Step],
    view: LiveTargets | PlainTargets,
    called: str,
    *,
    as_json: bool,
) -> bool:
    """Whether everything would be done."""
    with view:
        ended = dry_runs(follower, [step for step in steps if step.starts], view.seen)
    plans = [_plan(step, ended) for step in steps]
    good = all(each["good"] for each in plans)
    if as_json:
        print_json({"run": called, "good": good, "targets": plans})
        return good
    for each in plans:
        OUT.print(f"\n{each['target']}: {each['output']}", style="bold", markup=False)
        if each["error"]:
            for part in ("sentence", "remedy"):
                OUT.print(str(each["error"][part]), markup=False, soft_wrap=True)
        elif each["plan"]:
            look, request = each["plan"], each["plan"]["request"]
            OUT.print(plan_view(_REQUEST.validate_python(request), _LOOK.validate_python(look)))
        else:
            OUT.print(f"Nothing to begin: {each['did']}.", highlight=False)
    return good


def _plan(step: Step, ended: dict[str, Job | RemoteError]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "target": step.wanted.name,
        "output": step.wanted.request.output_address,
        "did": step.doing.value,
        "good": True,
        "error": None,
        "plan": None,
    }
    if not step.starts:
        return said
    found = ended.get(step.wanted.identity)
    if isinstance(found, Job) and found.overall_status is JobStatus.COMPLETE:
        plan = found.result or {}
        blocked = any(each["severity"] == Severity.BLOCKER for each in plan.get("findings", ()))
        return said | {"good": not blocked, "plan": plan}
    return said | {"good": False, "error": _error(found)}


def _error(found: Job | RemoteError | None) -> dict[str, Any]:
    if found is None:
        return JobForgotten(job="of the dry run").as_dict()
    if isinstance(found, RemoteError):
        return found.as_dict()
    return found.error or {"sentence": "It was cancelled.", "remedy": "Run it again."}
